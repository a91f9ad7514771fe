package main

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pdaltagent/pdaltagent/migrations/pgtest"
)

const (
	repository = "../.."
	imageUser  = 65532
)

// dockerfile returns the instructions of deploy/Dockerfile, stage by stage.
func dockerfile(t *testing.T) (stages [][]string) {
	t.Helper()
	text := regexp.MustCompile(`(?m)^#.*\n`).ReplaceAllString(read(t, repository+"/deploy/Dockerfile"), "")
	for line := range strings.Lines(regexp.MustCompile(`\\\n\s*`).ReplaceAllString(text, "")) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "FROM ") {
			stages = append(stages, nil)
		}
		if line != "" {
			stages[len(stages)-1] = append(stages[len(stages)-1], line)
		}
	}
	return stages
}

func read(t testing.TB, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// instruction returns the arguments of the only instruction of a name.
func instruction(t *testing.T, stage []string, name string) string {
	t.Helper()
	var found []string
	for _, line := range stage {
		if args, ok := strings.CutPrefix(line, name+" "); ok {
			found = append(found, args)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d instructions %s, want one", len(found), name)
	}
	return found[0]
}

// TestImageNeedsNoShellAndNoRoot: nothing in its last stage is run by a shell,
// its user is a number that is not root's, and the programs in it are those
// that the Makefile builds.
func TestImageNeedsNoShellAndNoRoot(t *testing.T) {
	stages := dockerfile(t)
	builder, last := stages[0], stages[len(stages)-1]
	if !slices.ContainsFunc(builder, func(line string) bool {
		return strings.HasPrefix(line, "RUN ") && strings.Contains(line, " make build VERSION=\"$VERSION\"")
	}) {
		t.Error("the programs are not built by 'make build'")
	}
	if !slices.Contains(builder, "FROM --platform=$BUILDPLATFORM golang:"+goVersion(t)+" AS build") {
		t.Errorf("it is not built with the Go of go.mod, %s: %s", goVersion(t), builder[0])
	}
	if last[0] != "FROM scratch" {
		t.Errorf("the image is %s", last[0])
	}
	uid, _, _ := strings.Cut(instruction(t, last, "USER"), ":")
	if n, err := strconv.Atoi(uid); err != nil || n != imageUser {
		t.Errorf("USER is %q", uid)
	}
	if slices.ContainsFunc(last, func(line string) bool { return strings.HasPrefix(line, "RUN ") }) {
		t.Error("there is a RUN in a stage without a shell")
	}
	_, health, _ := strings.Cut(instruction(t, last, "HEALTHCHECK"), " CMD ")
	for name, args := range map[string]string{
		"ENTRYPOINT": instruction(t, last, "ENTRYPOINT"), "CMD": instruction(t, last, "CMD"), "HEALTHCHECK": health,
	} {
		var words []string
		if err := json.Unmarshal([]byte(args), &words); err != nil {
			t.Errorf("%s is not in exec form: %s", name, args)
		}
	}
	for _, port := range []string{"9162/udp", "5514/udp", "5514/tcp", "6514/tcp", "8080/tcp", "8443/tcp"} {
		if !slices.Contains(strings.Fields(instruction(t, last, "EXPOSE")), port) {
			t.Errorf("%s is not exposed", port)
		}
	}
}

// TestTheImagesPageNamesItsPrograms: all that 'make build' makes are in it.
func TestTheImagesPageNamesItsPrograms(t *testing.T) {
	_, page, _ := strings.Cut(read(t, repository+"/deploy/containers.md"), "\nIt holds ")
	page, _, _ = strings.Cut(page, "nothing else")
	programs, err := filepath.Glob("../pd*")
	if err != nil || len(programs) < 6 {
		t.Fatalf("the programs are %v, %v", programs, err)
	}
	for _, program := range programs {
		if !strings.Contains(page, "`"+filepath.Base(program)+"`") {
			t.Errorf("containers.md does not name %s", filepath.Base(program))
		}
	}
}

// goVersion is the language version of go.mod, such as 1.26.
func goVersion(t *testing.T) string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, repository+"/go.mod"))
	if m == nil {
		t.Fatal("go.mod names no Go")
	}
	return m[1]
}

// TestTheBuilderGetsWhatItCopies: every folder with Go files and every file
// that the Dockerfile names passes its .dockerignore, and no history or secret
// does.
func TestTheBuilderGetsWhatItCopies(t *testing.T) {
	var patterns []string
	for line := range strings.Lines(read(t, repository+"/deploy/Dockerfile.dockerignore")) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			patterns = append(patterns, line)
		}
	}
	passes := func(file string) bool {
		for ; file != "."; file = path.Dir(file) {
			for _, p := range slices.Backward(patterns) {
				if ok, err := path.Match(strings.TrimPrefix(p, "!"), file); err != nil {
					t.Fatal(err)
				} else if ok && (p != "*" || !strings.Contains(file, "/")) {
					return strings.HasPrefix(p, "!")
				}
			}
		}
		return false
	}
	for _, stage := range dockerfile(t) {
		for _, line := range stage {
			words := strings.Fields(line)
			if words[0] != "COPY" {
				continue
			}
			for _, source := range words[1 : len(words)-1] {
				source, inside := strings.CutPrefix(source, "/src/")
				if strings.HasPrefix(source, "-") || source == "." || source == "bin/" || !inside && strings.Contains(line, "--from=") {
					continue
				}
				if _, err := os.Stat(filepath.Join(repository, source)); err != nil || !passes(strings.TrimSuffix(source, "/")) {
					t.Errorf("%s: %s is not there for the builder, %v", line, source, err)
				}
			}
		}
	}
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", `{{if not .Standard}}{{range .GoFiles}}{{$.Dir}}/{{.}}
{{end}}{{range .EmbedFiles}}{{$.Dir}}/{{.}}
{{end}}{{end}}`, repository+"/cmd/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs(repository)
	if err != nil {
		t.Fatal(err)
	}
	files := 0
	for file := range strings.FieldsSeq(string(out)) {
		if file, ours := strings.CutPrefix(file, root+"/"); ours {
			if files++; !passes(file) {
				t.Errorf("%s is needed to build, and left out", file)
			}
		}
	}
	if files < 100 {
		t.Errorf("looked at %d files; the programs are made of more", files)
	}
	for _, file := range []string{".git", ".git/config", "data", "noc.key", "deploy/secrets/noc.key", "bin/pdagentd"} {
		if passes(file) {
			t.Errorf("%s reaches the builder", file)
		}
	}
}

// imageRoot lays out what the image holds, as the Dockerfile's last stage says.
func imageRoot(t *testing.T) string {
	t.Helper()
	root, bin := filepath.Join(dataDir(t), "root"), filepath.Join(dataDir(t), "bin")
	build := regexp.MustCompile(`(?m)^\tCGO_ENABLED=0 go build (.*)$`).FindStringSubmatch(read(t, repository+"/Makefile"))
	if build == nil {
		t.Fatal("the Makefile has no build without cgo")
	}
	line := regexp.MustCompile(`\$\([A-Z]+\)|bin/`).ReplaceAllString(build[1], "") // the version, and where to
	line = strings.Replace(line, "-o ", "-o '"+bin+"/' ", 1)
	sh(t, repository, "CGO_ENABLED=0 go build "+line)
	stages := dockerfile(t)
	for _, line := range stages[len(stages)-1] {
		words := strings.Fields(line)
		if words[0] != "COPY" {
			continue
		}
		from, to := words[len(words)-2], filepath.Join(root, words[len(words)-1])
		switch {
		case from == "/src/bin/":
			from = bin + "/."
		case from == "/empty/":
			if !slices.Contains(stages[0], "RUN mkdir -p /empty/pdaltagent") {
				t.Fatal("/empty/pdaltagent is not made")
			}
			sh(t, ".", "mkdir -p '"+to+"/pdaltagent'")
			if owner, ok := strings.CutPrefix(words[2], "--chown="); ok {
				sh(t, ".", "chown "+owner+" '"+to+"/pdaltagent'")
			}
			continue
		case strings.HasPrefix(from, "/src/"):
			from = filepath.Join(repository, strings.TrimPrefix(from, "/src"))
			if strings.HasSuffix(words[len(words)-2], "/") {
				from += "/."
			}
		}
		folder := to
		if !strings.HasSuffix(words[len(words)-1], "/") {
			folder = filepath.Dir(to)
		}
		sh(t, ".", "mkdir -p '"+folder+"' && cp -rL '"+from+"' '"+to+"'")
	}
	return root
}

func sh(t *testing.T, dir, line string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}

// TestImageRunsReadOnlyAsNobody runs what the image holds in a root that has
// nothing else and cannot be written, as the image's user, with a data volume
// and a Postgres that is reached by TCP: it becomes ready, delivers, says that
// it is healthy, and stops cleanly.
func TestImageRunsReadOnlyAsNobody(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the programs, and takes some seconds")
	}
	if os.Geteuid() != 0 || exec.CommandContext(t.Context(), "unshare", "--mount", "true").Run() != nil {
		t.Skip("only root can change the root folder")
	}
	root := imageRoot(t)
	data := filepath.Join(root, "var/lib/pdaltagent")
	sh(t, ".", "mkdir '"+root+"/proc'")
	for _, file := range []string{"/tmp", "/etc/passwd", "/bin", "/etc/localtime", "/usr/share/zoneinfo"} {
		if _, err := os.Stat(root + file); err == nil {
			t.Fatalf("the image has %s", file)
		}
	}
	if !x509.NewCertPool().AppendCertsFromPEM([]byte(read(t, root+"/etc/ssl/certs/ca-certificates.crt"))) { // one of the places where Go looks
		t.Error("the image has no certificates of authorities")
	}
	web, admin, config := freePort(t), freePort(t), filepath.Join(data, "test.yaml")
	write(t, config, strings.NewReplacer("WEB", web, "ADMIN", admin).Replace(read(t, repository+"/deploy/container.yaml")+`
ingest:
  snmp: { listen: ["127.0.0.1:0"] }
  syslog: { listen: ["udp://127.0.0.1:0", "tls://127.0.0.1:0"], timezone: Europe/Vienna }
  http: { listen: ["http://127.0.0.1:WEB"] }
admin: { listen: "http://0.0.0.0:ADMIN", token: `+strings.ReplaceAll(adminToken, " ", "-")+` }
sandbox: { listen: "127.0.0.1:0" }
`))
	sh(t, ".", "chown "+strconv.Itoa(imageUser)+" '"+config+"'")
	inside := func(args ...string) *exec.Cmd {
		script := `mount --bind "$0" "$0" && mount --bind "$0/var/lib/pdaltagent" "$0/var/lib/pdaltagent" && mount -o remount,ro,bind "$0" &&
			mount --bind /proc "$0/proc" && exec chroot --userspec=65532:65532 --groups= "$0" /usr/bin/pdagentd "$@"`
		cmd := exec.Command("unshare", append([]string{"--mount", "sh", "-c", script, root}, args...)...) //nolint:gosec,noctx // it is stopped by hand
		cmd.Env = []string{"PATH=/usr/bin:/usr/sbin:/bin", "DATABASE_URL=" + overTCP(t, pgtest.Empty(t))}
		return cmd
	}
	var log bytes.Buffer
	p := inside("run", "--config", "/var/lib/pdaltagent/test.yaml")
	p.Stderr = &log
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	healthy := func() (bool, string) {
		out, err := inside("health", "--config", "/var/lib/pdaltagent/test.yaml").CombinedOutput()
		return err == nil && strings.Contains(string(out), "committing"), string(out)
	}
	ok, said := false, ""
	for deadline := time.Now().Add(20 * time.Second); !ok && time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		ok, said = healthy()
	}
	if !ok {
		t.Errorf("it is not healthy: %s", said)
	}
	if status, answer := post(t, "http://127.0.0.1:"+web+"/v2/enqueue", `{"routing_key":"`+testKey+`","event_action":"trigger","payload":{"summary":"s","source":"h","severity":"info"}}`); status != 202 {
		t.Errorf("an event is answered %d %s", status, answer)
	}
	out, err := exec.CommandContext(t.Context(), "sh", "-c", "grep -E '^(Uid|CapEff):' /proc/"+strconv.Itoa(p.Process.Pid)+"/status").Output()
	if got := strings.Join(strings.Fields(string(out)), " "); err != nil || !strings.HasPrefix(got, "Uid: 65532 65532") || !strings.HasSuffix(got, "CapEff: 0000000000000000") {
		t.Errorf("it runs as %s, %v", got, err)
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("it ends with %v", err)
	}
	for _, bad := range []string{`"level":"ERROR"`, "read-only file system", "no such file or directory", "permission denied", "unknown time zone"} {
		if strings.Contains(log.String(), bad) {
			t.Errorf("it says %s:\n%s", bad, log.String())
		}
	}
}

// overTCP returns a URL by which the database of another is reached without
// its socket in the file system.
func overTCP(t *testing.T, address string) string {
	t.Helper()
	conf, err := pgx.ParseConfig(address)
	if err != nil {
		t.Fatal(err)
	}
	network, there := pgxAddress(conf)
	var listenConfig net.ListenConfig
	l, err := listenConfig.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer near.Close() //nolint:errcheck // both ends are closed
				far, err := (&net.Dialer{}).DialContext(t.Context(), network, there)
				if err != nil {
					return
				}
				go func() {
					_, _ = io.Copy(far, near)
					_ = far.Close()
				}()
				_, _ = io.Copy(near, far)
			}()
		}
	}()
	u := url.URL{Scheme: "postgres", User: url.User(conf.User), Host: l.Addr().String(), Path: conf.Database, RawQuery: "sslmode=disable"}
	return u.String()
}

func pgxAddress(conf *pgx.ConnConfig) (network, address string) {
	if strings.HasPrefix(conf.Host, "/") {
		return "unix", filepath.Join(conf.Host, ".s.PGSQL."+strconv.Itoa(int(conf.Port)))
	}
	return "tcp", net.JoinHostPort(conf.Host, strconv.Itoa(int(conf.Port)))
}
