package fetch

import (
	"cmp"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/pdaltagent/pdaltagent/ingest"
)

const (
	minEvery       = time.Second
	defaultTimeout = time.Minute // or Every, where that is less
	maxCronTimeout = time.Hour
)

// Configs is ingest.fetch of the configuration file.
type Configs []Config

// Config is one element of it: a command, and when to run it.
type Config struct {
	// Name is what rules know the command by: lower-case letters, digits
	// and hyphens.
	Name string `yaml:"name"`

	// Every is the time from one run to the next, Cron the times of runs:
	// five fields (minute, hour, day, month, weekday) in this machine's time
	// zone, or in another ("CRON_TZ=Europe/Berlin 0 6 * * *"), or @hourly.
	// One of them is given.
	Every time.Duration `yaml:"every"`
	Cron  string        `yaml:"cron"`

	// Command is a program and its arguments. No shell takes them apart.
	Command []string `yaml:"command"`

	// Timeout is how long a run may take: at most Every, and an hour for
	// Cron. 0: a minute, or Every where that is less.
	Timeout time.Duration `yaml:"timeout"`

	// Env is added to the few variables that a command inherits (see
	// inherited). Its values may be secrets.
	Env map[string]ingest.Secret `yaml:"env"`

	// Dir is the folder that the command runs in; empty: the daemon's.
	Dir string `yaml:"dir"`
}

// Validate returns every fault of cs as they stand in the configuration file,
// each with the key that it is about. It looks for the commands.
func (cs Configs) Validate() error {
	var faults []error
	first := map[string]int{}
	for i, c := range cs {
		if before, taken := first[c.Name]; taken && c.Name != "" {
			faults = append(faults, fmt.Errorf("fetch[%d].name: fetch[%d] is named %q too: each needs a name of its own", i, before, c.Name))
		} else {
			first[c.Name] = i
		}
		for _, err := range c.faults() {
			faults = append(faults, fmt.Errorf("fetch[%d].%w", i, err))
		}
	}
	return errors.Join(faults...)
}

func (c Config) faults() (faults []error) {
	if !regexp.MustCompile(`^[a-z0-9-]+$`).MatchString(c.Name) {
		faults = append(faults, fmt.Errorf("name: %q is not made of a-z, 0-9 and hyphens: write name: ups", c.Name))
	}
	if _, err := c.schedule(); err != nil {
		faults = append(faults, err)
	}
	if err := c.checkTimeout(); err != nil {
		faults = append(faults, err)
	}
	if err := c.checkCommand(); err != nil {
		faults = append(faults, err)
	}
	for name := range c.Env {
		if name == "" || strings.ContainsAny(name, "=\x00") {
			faults = append(faults, fmt.Errorf("env: %q is no name of a variable", name))
		}
	}
	return faults
}

func (c Config) checkTimeout() error {
	most := maxCronTimeout
	if c.Cron == "" && c.Every >= minEvery {
		most = c.Every
	}
	switch {
	case c.Timeout < 0:
		return fmt.Errorf("timeout: %s is negative: leave it out for %s", c.Timeout, min(defaultTimeout, most))
	case c.Timeout > most:
		return fmt.Errorf("timeout: %s is more than %s, when the next run may be due: write timeout: %s", c.Timeout, most, most)
	}
	return nil
}

func (c Config) checkCommand() error {
	if len(c.Command) == 0 || c.Command[0] == "" {
		return errors.New("command: is missing: write command: [/usr/local/bin/check-ups, --json]")
	}
	file := c.Command[0]
	if c.Dir != "" && strings.Contains(file, "/") && !filepath.IsAbs(file) {
		file = filepath.Join(c.Dir, file)
	}
	if _, err := exec.LookPath(file); err != nil {
		mend := "give its path, and make it executable"
		if len(c.Command) == 1 && strings.Contains(file, " ") {
			words := strings.Fields(file)
			mend = fmt.Sprintf("one element holds one word: write command: [%s]", strings.Join(words, ", "))
		}
		if cause := errors.Unwrap(err); cause != nil {
			err = cause
		}
		return fmt.Errorf("command: %s cannot be run: %w: %s", file, err, mend)
	}
	return nil
}

// Schedule says when runs are due.
type Schedule interface {
	// Next returns the first time after t.
	Next(t time.Time) time.Time
}

func (c Config) schedule() (Schedule, error) {
	switch {
	case c.Every == 0 && c.Cron == "":
		return nil, errors.New(`every: is missing: write every: 30s, or cron: "*/5 * * * *"`)
	case c.Every != 0 && c.Cron != "":
		return nil, errors.New("every: give either every or cron")
	case c.Cron != "":
		s, err := cron.ParseStandard(c.Cron)
		if err != nil {
			return nil, fmt.Errorf(`cron: %q: %w: write five fields, as in "*/5 * * * *"`, c.Cron, err)
		}
		return s, nil
	case c.Every < minEvery:
		return nil, fmt.Errorf("every: %s is less than %s", c.Every, minEvery)
	}
	return interval(c.Every), nil
}

// interval is due at its multiples, so that every node and every restart means
// the same times.
type interval time.Duration

func (i interval) Next(t time.Time) time.Time {
	return t.Truncate(time.Duration(i)).Add(time.Duration(i))
}

func (c Config) timeout() time.Duration {
	standard := defaultTimeout
	if c.Every != 0 {
		standard = min(c.Every, standard)
	}
	return cmp.Or(c.Timeout, standard)
}

// inherited are the variables that a command gets of the daemon's: what
// programs need to find their way. The others may hold the daemon's secrets.
func inherited() []string {
	return []string{
		"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TZ", "LANG", "LC_ALL", "LC_CTYPE",
		"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR",
	}
}

// environment returns the variables of a command.
func (c Config) environment(lookup func(string) (string, bool)) []string {
	var env []string
	for _, name := range inherited() {
		if value, ok := lookup(name); ok {
			env = append(env, name+"="+value)
		}
	}
	for name, value := range c.Env {
		env = append(env, name+"="+value.Reveal()) // os/exec takes the last of a name
	}
	return env
}
