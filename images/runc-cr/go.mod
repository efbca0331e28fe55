module bay-e2e.dev/runc-cr

go 1.26.0

require (
	golang.org/x/sync v0.23.0
	golang.org/x/sys v0.48.0
)
