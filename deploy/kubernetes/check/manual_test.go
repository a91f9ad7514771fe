package check

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheFolderOfTheManualBuilds, with the kustomization that containers.md
// shows: its files take the place of the base's, and its image.
func TestTheFolderOfTheManualBuilds(t *testing.T) {
	manual, err := os.ReadFile("../../containers.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(manual), "```yaml\n# kustomization.yaml\n")
	text, _, found := strings.Cut(text, "```")
	if !found {
		t.Fatal("containers.md shows no kustomization.yaml")
	}
	here, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	folder, err := os.MkdirTemp(here, ".check-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	if err := os.Mkdir(filepath.Join(folder, "rules.d"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"kustomization.yaml":    strings.ReplaceAll(text, "pdaltagent/deploy/kubernetes", ".."),
		"pdagentd.yaml":         "data_dir: /of/ours\n",
		"rules.d/50-local.yaml": "# of ours\nrules: []\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m := build(t, folder)
	pod := m.node.Spec.Template.Spec
	if image := pod.Containers[0].Image; image != "your.registry/pdaltagent:1.2.3" {
		t.Errorf("the image is %s", image)
	}
	if m.node.Namespace != "pdaltagent" || m.database.Metadata.Namespace != "pdaltagent" || m.monitor.Name == "" {
		t.Errorf("namespace %q, of the cluster %q, monitor %q", m.node.Namespace, m.database.Metadata.Namespace, m.monitor.Name)
	}
	mounted := map[string]string{}
	for _, v := range pod.Volumes {
		if v.ConfigMap != nil {
			mounted[v.Name] = v.ConfigMap.Name
		}
	}
	if got := m.configs[mounted["config"]].Data["pdagentd.yaml"]; got != "data_dir: /of/ours\n" {
		t.Errorf("the pods mount the configuration %q of %s", got, mounted["config"])
	}
	if got := m.configs[mounted["rules"]].Data["50-local.yaml"]; mounted["rules"] != "pdaltagent-rules" || !strings.HasPrefix(got, "# of ours") {
		t.Errorf("the pods mount the rules %q of %s", got, mounted["rules"])
	}
}
