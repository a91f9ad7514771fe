package main

import (
	"cmp"
	"fmt"

	"go.yaml.in/yaml/v4"

	"github.com/pdaltagent/pdaltagent/cmd/internal/site"
	"github.com/pdaltagent/pdaltagent/ingest"
)

// settings is what pd-queue needs of the configuration. Whether the rest of it
// is right, 'pdagentd check' says.
type settings struct {
	DataDir  string `yaml:"data_dir"`
	Database struct {
		URL string `yaml:"url"`
	} `yaml:"database"`
	Routes map[string]*route `yaml:"routes"`
}

type route struct {
	Key     ingest.Secret `yaml:"key"`
	KeyFile string        `yaml:"key_file"`
	KeyEnv  string        `yaml:"key_env"`
}

// load reads the settings as pdagentd does.
func load(file string, env func(string) (string, bool)) (*settings, error) {
	data, used, err := site.ReadConfig(file)
	if err != nil {
		return nil, err
	}
	s := &settings{DataDir: site.DataDir()}
	if err := yaml.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("%s: cannot be understood: 'pdagentd check --config %s' says where", used, used)
	}
	if url, _ := env("DATABASE_URL"); url != "" {
		s.Database.URL = url
	}
	snmp, _ := env("PDAGENTD_SNMP_ROUTING_KEY")
	standard, _ := env("PDAGENTD_DEFAULT_ROUTING_KEY")
	if key := cmp.Or(snmp, standard); key != "" && s.Routes["default"] == nil {
		if s.Routes == nil {
			s.Routes = map[string]*route{}
		}
		s.Routes["default"] = &route{Key: ingest.Secret(key)}
	}
	return s, nil
}

// keys returns the key of each route. faults are about keys that cannot be
// read: their routes are known by name alone.
func (s *settings) keys(env func(string) (string, bool)) (keys map[string]ingest.Secret, faults []error) {
	keys = map[string]ingest.Secret{}
	for name, r := range s.Routes {
		if r == nil {
			continue
		}
		key, err := r.key(env)
		if err != nil {
			faults = append(faults, fmt.Errorf("routes.%s.%w", name, err))
		}
		keys[name] = key
	}
	return keys, faults
}

func (r *route) key(env func(string) (string, bool)) (ingest.Secret, error) {
	switch {
	case r.KeyFile != "":
		text, err := site.ReadSecret(r.KeyFile)
		if err != nil {
			return "", fmt.Errorf("key_file: %w", err)
		}
		return ingest.Secret(text), nil
	case r.KeyEnv != "":
		text, ok := env(r.KeyEnv)
		if !ok {
			return "", fmt.Errorf("key_env: the environment has no variable %s", r.KeyEnv)
		}
		return ingest.Secret(text), nil
	}
	return r.Key, nil
}
