// Package check holds the manifests to what Kubernetes takes and to what
// pdagentd does. It is a module of its own, so that the product does not depend
// on Kubernetes. make manifests runs it.
package check

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/json"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// cluster is as much of a Cluster of CloudNativePG's as is used.
type cluster struct {
	APIVersion, Kind string
	Metadata         struct{ Name, Namespace string }
	Spec             struct {
		Instances int
		Bootstrap struct {
			InitDB struct {
				Database, Owner string
				PostInitSQL     []string
			}
		}
		PostgreSQL struct {
			Synchronous struct {
				Method string
				Number int
			}
			Parameters map[string]string
		}
		Storage, WALStorage struct{ Size string }
		Resources           core.ResourceRequirements
	}
}

// manifests are what a kustomization makes, each read strictly: a key that
// Kubernetes does not know is an error.
type manifests struct {
	node     apps.StatefulSet
	services map[string]core.Service
	configs  map[string]core.ConfigMap
	budget   policy.PodDisruptionBudget
	network  networking.NetworkPolicy
	database cluster
	monitor  monitoring.ServiceMonitor
	kinds    []string
}

func build(t *testing.T, folder string) manifests {
	t.Helper()
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		t.Fatal(err)
	}
	m := manifests{services: map[string]core.Service{}, configs: map[string]core.ConfigMap{}}
	for _, r := range resources.Resources() {
		text, err := r.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		var service core.Service
		var config core.ConfigMap
		into, known := map[string]any{
			"StatefulSet": &m.node, "Service": &service, "ConfigMap": &config, "PodDisruptionBudget": &m.budget,
			"NetworkPolicy": &m.network, "Cluster": &m.database, "ServiceMonitor": &m.monitor,
		}[r.GetKind()]
		if !known {
			t.Errorf("%s %s is not checked", r.GetKind(), r.GetName())
			continue
		}
		if err := strict(text, into); err != nil {
			t.Errorf("%s %s: %v", r.GetKind(), r.GetName(), err)
		}
		m.kinds = append(m.kinds, r.GetKind())
		if r.GetKind() == "Service" {
			m.services[r.GetName()] = service
		}
		if r.GetKind() == "ConfigMap" {
			m.configs[r.GetName()] = config
		}
	}
	slices.Sort(m.kinds)
	return m
}

// strict reads YAML as Kubernetes does: keys that it does not know, in other
// case or twice are errors.
func strict(text []byte, into any) error {
	if _, ours := into.(*cluster); ours {
		return yaml.UnmarshalStrict(text, into)
	}
	data, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return err
	}
	faults, err := json.UnmarshalStrict(data, into)
	return errors.Join(append(faults, err)...)
}

// everything is the example with CloudNativePG and the ServiceMonitor.
func everything(t *testing.T) manifests {
	t.Helper()
	here, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	folder, err := os.MkdirTemp(here, ".check-") // kustomize takes what is beside it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	overlay := "resources: [../cloudnativepg]\ncomponents: [../components/servicemonitor]\n"
	if err := os.WriteFile(filepath.Join(folder, "kustomization.yaml"), []byte(overlay), 0o600); err != nil {
		t.Fatal(err)
	}
	return build(t, folder)
}

// TestKubernetesTakesThem, with every key.
func TestKubernetesTakesThem(t *testing.T) {
	base := []string{"ConfigMap", "ConfigMap", "NetworkPolicy", "PodDisruptionBudget", "Service", "Service", "Service", "StatefulSet"}
	if got := build(t, "../base").kinds; !slices.Equal(got, base) {
		t.Errorf("base makes %v", got)
	}
	if got := build(t, "../cloudnativepg").kinds; !slices.Equal(got, slices.Sorted(slices.Values(append(base, "Cluster")))) {
		t.Errorf("cloudnativepg makes %v", got)
	}
	if got := everything(t).kinds; len(got) != len(base)+2 {
		t.Errorf("with the component it makes %v", got)
	}
}

// TestSelectorsFindThePods: of Services, budget, policy and spread.
func TestSelectorsFindThePods(t *testing.T) {
	m := everything(t)
	pod := m.node.Spec.Template.Labels
	f := func(what string, selector map[string]string) {
		t.Helper()
		for key, value := range selector {
			if pod[key] != value {
				t.Errorf("%s selects %s=%s; pods have %v", what, key, value, pod)
			}
		}
		if len(selector) == 0 {
			t.Errorf("%s selects everything", what)
		}
	}
	f("the StatefulSet", m.node.Spec.Selector.MatchLabels)
	f("the budget", m.budget.Spec.Selector.MatchLabels)
	f("the policy", m.network.Spec.PodSelector.MatchLabels)
	for name, s := range m.services {
		f("Service "+name, s.Spec.Selector)
	}
	for _, c := range m.node.Spec.Template.Spec.TopologySpreadConstraints {
		f("the spread over "+c.TopologyKey, c.LabelSelector.MatchLabels)
	}
	governing, ok := m.services[m.node.Spec.ServiceName]
	if !ok || governing.Spec.ClusterIP != core.ClusterIPNone {
		t.Errorf("%s is no headless Service", m.node.Spec.ServiceName)
	}
	watched := false
	for _, p := range governing.Spec.Ports {
		watched = watched || p.Name == m.monitor.Spec.Endpoints[0].Port
	}
	for key, value := range m.monitor.Spec.Selector.MatchLabels {
		watched = watched && governing.Labels[key] == value
	}
	if !watched || m.monitor.Spec.JobLabel != "app.kubernetes.io/name" || governing.Labels[m.monitor.Spec.JobLabel] != "pdaltagent" {
		t.Error("the ServiceMonitor does not find the admin port as the job pdaltagent")
	}
}

// TestServicesLeadToPorts that the pods have, by name and protocol, and senders
// keep their address; the policy lets them in.
func TestServicesLeadToPorts(t *testing.T) {
	m := everything(t)
	pod := m.node.Spec.Template.Spec.Containers[0]
	has := func(name string, protocol core.Protocol) bool {
		return slices.ContainsFunc(pod.Ports, func(p core.ContainerPort) bool { return p.Name == name && p.Protocol == protocol })
	}
	led := map[string]bool{}
	for name, s := range m.services {
		for _, p := range s.Spec.Ports {
			if !has(p.TargetPort.StrVal, p.Protocol) {
				t.Errorf("Service %s: no port %s/%s", name, p.TargetPort.StrVal, p.Protocol)
			}
			led[p.TargetPort.StrVal] = true
		}
		if s.Spec.Type == core.ServiceTypeLoadBalancer && s.Spec.ExternalTrafficPolicy != core.ServiceExternalTrafficPolicyLocal {
			t.Errorf("Service %s hides the senders' addresses", name)
		}
	}
	let := map[string]bool{}
	for _, rule := range m.network.Spec.Ingress {
		for _, p := range rule.Ports {
			if !has(p.Port.StrVal, *p.Protocol) {
				t.Errorf("the policy: no port %s/%s", p.Port, *p.Protocol)
			}
			let[p.Port.StrVal] = true
		}
	}
	for _, p := range pod.Ports {
		if !led[p.Name] || !let[p.Name] {
			t.Errorf("nothing leads to %s, or the policy does not let it in", p.Name)
		}
		if len(p.Name) > 15 {
			t.Errorf("%s is longer than a port's name may be", p.Name)
		}
	}
	for what, probe := range map[string]*core.Probe{"startup": pod.StartupProbe, "liveness": pod.LivenessProbe, "readiness": pod.ReadinessProbe} {
		if probe.HTTPGet.Port != intstr.FromString("admin") {
			t.Errorf("the %s probe asks %v", what, probe.HTTPGet.Port)
		}
	}
}

// TestPodsAreRestricted, as the Pod Security Standard of that name has it, and
// all that they mount is there.
func TestPodsAreRestricted(t *testing.T) {
	m := everything(t)
	pod := m.node.Spec.Template.Spec
	c, s := pod.Containers[0].SecurityContext, pod.SecurityContext
	if !*s.RunAsNonRoot || *s.RunAsUser == 0 || s.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault ||
		*c.AllowPrivilegeEscalation || !*c.ReadOnlyRootFilesystem || !slices.Equal(c.Capabilities.Drop, []core.Capability{"ALL"}) || len(c.Capabilities.Add) > 0 {
		t.Errorf("pods are not restricted: %+v %+v", s, c)
	}
	if pod.HostNetwork || *pod.AutomountServiceAccountToken || *m.node.Spec.Replicas != 2 {
		t.Error("pods have the host's network or a token, or there are not two")
	}
	if limit := pod.Containers[0].Resources.Limits; limit.Memory().IsZero() || !limit.Cpu().IsZero() {
		t.Errorf("limits are %v", limit)
	}
	volumes := map[string]bool{}
	for _, v := range pod.Volumes {
		volumes[v.Name] = true
		if v.ConfigMap != nil {
			if _, ok := m.configs[v.ConfigMap.Name]; !ok {
				t.Errorf("there is no ConfigMap %s", v.ConfigMap.Name)
			}
		}
	}
	for _, claim := range m.node.Spec.VolumeClaimTemplates {
		volumes[claim.Name] = true
	}
	for _, mount := range pod.Containers[0].VolumeMounts {
		if !volumes[mount.Name] {
			t.Errorf("there is no volume %s", mount.Name)
		}
		if mount.MountPath != "/var/lib/pdaltagent" && !mount.ReadOnly {
			t.Errorf("%s may be written", mount.MountPath)
		}
	}
}

// TestPdagentdTakesTheConfiguration of the ConfigMap, with the image's rules and
// those of the other ConfigMap, and listens on the ports that the pods have.
func TestPdagentdTakesTheConfiguration(t *testing.T) {
	m := everything(t)
	pdagentd, err := filepath.Abs("../../../bin/pdagentd")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(pdagentd); err != nil {
		t.Fatalf("%v: run make manifests, which builds it", err)
	}
	dir := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	packs, err := filepath.Abs("../../rules.d")
	if err != nil {
		t.Fatal(err)
	}
	at := strings.NewReplacer("/etc/pdaltagent/rules.d", packs, "/etc/pdaltagent", dir, "/run/secrets", dir, "/var/lib/pdaltagent", dir)
	url := ""
	for name, c := range m.configs {
		for file, text := range c.Data {
			if name == "pdaltagent-rules" {
				file = "local.d/" + file
			}
			put(file, at.Replace(text))
			if _, after, ok := strings.Cut(text, "url: "); ok {
				url, _, _ = strings.Cut(after, "\n")
			}
		}
	}
	put("pdaltagent/noc.key", "0123456789abcdef0123456789abcdef\n")
	put("pdaltagent/admin.token", "a token\n")
	put("database/pgpass", "pdaltagent-db-rw:5432:pdaltagent:pdaltagent:secret\n")
	put("database/ca.crt", authority)
	out, err := exec.CommandContext(t.Context(), pdagentd, "check", "--config", filepath.Join(dir, "pdagentd.yaml")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, p := range m.node.Spec.Template.Spec.Containers[0].Ports {
		scheme := map[string]string{"snmp": "snmp", "syslog-udp": "udp", "syslog-tcp": "tcp", "syslog-tls": "tls", "http": "http", "https": "https"}[p.Name]
		if want := fmt.Sprintf("%s://:%d", scheme, p.ContainerPort); p.Name != "admin" && !bytes.Contains(out, []byte(want)) {
			t.Errorf("pdagentd does not listen on %s: %s", want, out)
		}
	}
	db := m.database
	if want := fmt.Sprintf("postgres://%s@%s-rw/%s?", db.Spec.Bootstrap.InitDB.Owner, db.Metadata.Name, db.Spec.Bootstrap.InitDB.Database); !strings.HasPrefix(url, want) {
		t.Errorf("database.url is %s, the cluster is at %s", url, want)
	}
	for _, source := range m.node.Spec.Template.Spec.Volumes[3].Projected.Sources {
		if !strings.HasPrefix(source.Secret.Name, db.Metadata.Name+"-") {
			t.Errorf("the Secret %s is not the cluster's", source.Secret.Name)
		}
	}
	if db.Spec.PostgreSQL.Synchronous.Number < 1 || db.Spec.Instances < 3 {
		t.Error("a failover would lose what was acknowledged")
	}
}

// authority is a certificate of nobody's, for a file that must hold one.
const authority = `-----BEGIN CERTIFICATE-----
MIIBeTCCAR6gAwIBAgITHAFoIxgxJbNw7Fgx/a8c+LerojAKBggqhkjOPQQDAjAR
MQ8wDQYDVQQDDAZub2JvZHkwIBcNMjYxMTIzMTM1NTU1WhgPMjEyNjEwMzAxMzU1
NTVaMBExDzANBgNVBAMMBm5vYm9keTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA
BJWv3jISJNVA8sTuhz4n5lIf73eWtLSkPar3beYsaU19mjqsAilgzo/iIyWV1mRW
UUcF+xN/J0Xafh0nISIWS46jUzBRMB0GA1UdDgQWBBSoq9yhZRCFEtEge7OzXEvO
+3XkHzAfBgNVHSMEGDAWgBSoq9yhZRCFEtEge7OzXEvO+3XkHzAPBgNVHRMBAf8E
BTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQD5swnHiGPouf+QNLZEmziTbFtkZSRB
z122N2Z9Lu302wIhANsCjyWEf5HHeDtuAJsbqCo/r8a84UiZ1v9eW6P3gkSq
-----END CERTIFICATE-----
`
