package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
	"github.com/pdaltagent/pdaltagent/mapping/rulefile"
)

// standardFiles are looked for, in this order, when no --config is given.
func standardFiles() []string {
	return []string{"/etc/pdaltagent/pdagentd.yaml", "pdagentd.yaml"}
}

// loadConfig returns the configuration: the defaults, what the environment
// says, and over both what the file says. file is empty for the standard
// places; where none of those exists the defaults stand. used is the file that
// was read.
func loadConfig(file string, env func(string) (string, bool)) (c *config, used string, err error) {
	c = defaults()
	if err := fromEnvironment(c, env); err != nil {
		return nil, "", err
	}
	data, used, err := readConfig(file)
	if err != nil {
		return nil, "", err
	}
	if err := rulefile.Decode(used, data, c); err != nil {
		return nil, used, err
	}
	if url, ok := env("DATABASE_URL"); ok && url != "" {
		c.Database.URL = url
	}
	if len(c.Routes) == 0 {
		c.PagerDuty.EventsURL = sandboxURL
	}
	if err := c.validate(); err != nil {
		return nil, used, locate(used, data, err)
	}
	return c, used, nil
}

func readConfig(file string) (data []byte, used string, err error) {
	if file != "" {
		data, err := os.ReadFile(file) //nolint:gosec // the operator names it
		if err != nil {
			return nil, file, fmt.Errorf("configuration: %w", err)
		}
		return data, file, nil
	}
	for _, name := range standardFiles() {
		data, err := os.ReadFile(name) //nolint:gosec // a fixed list
		if err == nil {
			return data, name, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, name, fmt.Errorf("configuration: %w", err)
		}
	}
	return nil, "", nil
}

// locate gives each fault the place of the key that it begins with.
func locate(file string, data []byte, err error) error {
	var root yaml.Node
	if yaml.Unmarshal(data, &root) != nil || len(root.Content) == 0 {
		return err
	}
	key := regexp.MustCompile(`^[a-z0-9_-]+(\[\d+\]|\.[A-Za-z0-9_-]+)*`)
	var faults mapping.Faults
	for _, fault := range each(err) {
		node := find(root.Content[0], key.FindString(fault.Error()))
		faults = append(faults, mapping.Fault{
			Place:   mapping.Place{File: file, Line: node.Line, Column: node.Column},
			Message: fault.Error(),
		})
	}
	return faults.Err()
}

// find returns the deepest node on the way to a key such as
// ingest.syslog.listen[0].
func find(node *yaml.Node, key string) *yaml.Node {
	for _, step := range strings.FieldsFunc(key, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		next := child(node, step)
		if next == nil {
			break
		}
		node = next
	}
	return node
}

func child(node *yaml.Node, step string) *yaml.Node {
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == step {
				return node.Content[i+1]
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(step); err == nil && i < len(node.Content) {
			return node.Content[i]
		}
	default:
	}
	return nil
}

// resolve returns a secret that is given inline, as a file's content or as a
// variable; empty where none is given.
func resolve(key string, inline ingest.Secret, file, variable string) (ingest.Secret, error) {
	switch {
	case file != "":
		data, err := os.ReadFile(file) //nolint:gosec // the operator names it
		if err != nil {
			return "", fmt.Errorf("%s_file: %w", key, err)
		}
		secret := strings.TrimSpace(string(data))
		if secret == "" {
			return "", fmt.Errorf("%s_file: %s is empty", key, file)
		}
		return ingest.Secret(secret), nil
	case variable != "":
		secret := strings.TrimSpace(os.Getenv(variable))
		if secret == "" {
			return "", fmt.Errorf("%s_env: the environment has no variable %s", key, variable)
		}
		return ingest.Secret(secret), nil
	}
	return inline, nil
}
