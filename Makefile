# The tag leaves gosnmp's debug logging out: with it a trap costs a third. It
# is set here alone, and everything that builds goes through this file.
export GOFLAGS := $(strip $(GOFLAGS) -tags=gosnmp_nodebug)
