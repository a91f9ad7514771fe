package selfwatch

import (
	"errors"
	"fmt"
	"time"
)

// Config is the section self of the configuration.
type Config struct {
	Route   string        `yaml:"route"`   // that alerts about the appliance itself go to; empty: none are opened
	Backlog time.Duration `yaml:"backlog"` // how old the oldest delivery that waits may be
	Every   time.Duration `yaml:"every"`   // how often it looks
}

// Defaults are what a key is that is not given.
func Defaults() Config { return Config{Backlog: 10 * time.Minute, Every: 30 * time.Second} }

// shortest is the least time between two looks.
const shortest = 100 * time.Millisecond

// Validate returns every fault, each beginning with its key.
func (c Config) Validate() error {
	var faults []error
	if c.Backlog <= 0 {
		faults = append(faults, fmt.Errorf("backlog: %s is no age; write 10m", c.Backlog))
	}
	if c.Every < shortest || c.Every > refresh {
		faults = append(faults, fmt.Errorf("every: %s is not between %s and %s; write 30s", c.Every, shortest, refresh))
	}
	return errors.Join(faults...)
}
