package main

import (
	"crypto/tls"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pdaltagent/pdaltagent/delivery/spool"
	"github.com/pdaltagent/pdaltagent/ingest"
)

// readiness returns a gauge of what /readyz says.
func readiness(ready func() (string, error)) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "pdaltagent_ready",
		Help: "1 while events can be committed or spooled, as /readyz says.",
	}, func() float64 {
		if _, err := ready(); err != nil {
			return 0
		}
		return 1
	})
}

// spoolLimit returns a gauge of what the spool may hold.
func spoolLimit(s *spool.Spool) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "pdaltagent_spool_max_bytes",
		Help: "How many bytes the spool may hold: spool.max_bytes.",
	}, func() float64 { return float64(s.MaxBytes()) })
}

// certificates collects until when what is shown to senders is valid: what
// tls.Config calls GetCertificate, by protocol; nil: it shows none.
type certificates map[ingest.Protocol]func(*tls.ClientHelloInfo) (*tls.Certificate, error)

func certificatesDesc() *prometheus.Desc {
	return prometheus.NewDesc("pdaltagent_certificate_expiry_timestamp_seconds",
		"When the certificate expires that senders are shown, in seconds since 1970.", []string{"protocol"}, nil)
}

// Describe is prometheus.Collector's.
func (certificates) Describe(ch chan<- *prometheus.Desc) { ch <- certificatesDesc() }

// Collect is prometheus.Collector's.
func (c certificates) Collect(ch chan<- prometheus.Metric) {
	for protocol, get := range c {
		if get == nil {
			continue
		}
		if shown, err := get(nil); err == nil && shown.Leaf != nil {
			ch <- prometheus.MustNewConstMetric(certificatesDesc(), prometheus.GaugeValue, float64(shown.Leaf.NotAfter.Unix()), string(protocol))
		}
	}
}
