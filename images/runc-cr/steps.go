package main

import "time"

// dumpSteps is what a dump's time is made of, in microseconds.
type dumpSteps struct {
	// Look is all before anything stands still: what the container is, whether it can be dumped, whether there is room.
	Look int64 `json:"lookMicroseconds"`
	// Runc is runc and CRIU, with the time that the processes stood still.
	Runc int64 `json:"runcMicroseconds"`
	// Record is the sha256 of every file, mostly.
	Record int64 `json:"recordMicroseconds"`
}

// restoreSteps is what a restore's time is made of, in microseconds.
type restoreSteps struct {
	// Verify compares every file with its sha256.
	Verify int64 `json:"verifyMicroseconds"`
	// Unpack brings changed files back.
	Unpack int64 `json:"unpackMicroseconds"`
	Runc   int64 `json:"runcMicroseconds"`
}

// stopwatch times steps that follow each other.
type stopwatch struct{ last time.Time }

// lap gives the microseconds since the last one.
func (w *stopwatch) lap() int64 {
	now := time.Now()
	took := now.Sub(w.last).Microseconds()
	w.last = now
	return took
}
