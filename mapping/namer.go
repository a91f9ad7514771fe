package mapping

// Namer knows what SMI modules say about object identifiers. OIDs are dotted
// decimal without a leading dot. All methods may be called from any goroutine
// and must not change what they return later.
type Namer interface {
	// OID returns the OID that a name stands for: "IF-MIB::linkDown", or
	// "linkDown" where only one module defines it. The error names the mend
	// (a near name, or the modules to choose from).
	OID(name string) (string, error)

	// Name returns the module and label of the longest named prefix of oid
	// that is an object or a notification, and what follows it, which is the
	// instance of an object ("517", "0"). ok is false where nothing that
	// names an object or a notification is known.
	Name(oid string) (module, label, instance string, ok bool)

	// Value returns what v, a value of the object at oid (with or without
	// its instance), means: the label of an enumeration or of an OID, names
	// of set BITS as text joined by commas, a DISPLAY-HINT applied to an
	// octet string as text. It returns v itself where there is no more to say. v has the types
	// of ingest.Varbind.Value.
	Value(oid string, v any) any

	// Index returns the instance of the columnar object at oid, decoded by
	// its table's INDEX clause, parts joined by dots: "517",
	// "192.0.2.1", "eth0". It is the raw instance where the clause is
	// not known or does not fit, and empty for a scalar.
	Index(oid string) string
}
