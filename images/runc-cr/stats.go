package main

import (
	"encoding/binary"
	"errors"
	"os"
)

// CRIU's stats-dump is an image of one message: two magic numbers, its length, and the message, whose field 1 holds the
// numbers of a dump (criu/images/stats.proto).
const (
	statsHeader      = 12
	fieldDump        = 1
	fieldFreezing    = 1
	fieldFrozen      = 2
	wireVarint       = 0
	wireFixed64      = 1
	wireBytes        = 2
	wireFixed32      = 5
	bytesOfFixed64   = 8
	bytesOfFixed32   = 4
	bitsOfWireFormat = 3
)

var errStats = errors.New("stats-dump is no statistics of a dump")

// readFreeze gives how many microseconds the processes of a dump stood still.
func readFreeze(file string) (int64, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	if len(content) < statsHeader {
		return 0, errStats
	}
	var dump []byte
	err = eachField(content[statsHeader:], func(number int, value uint64, bytes []byte) {
		if number == fieldDump {
			dump = bytes
		}
	})
	if err != nil || dump == nil {
		return 0, errors.Join(errStats, err)
	}
	var microseconds int64
	err = eachField(dump, func(number int, value uint64, _ []byte) {
		if number == fieldFreezing || number == fieldFrozen {
			microseconds += int64(value)
		}
	})
	return microseconds, err
}

// eachField goes through the fields of a protobuf message.
func eachField(message []byte, visit func(number int, value uint64, bytes []byte)) error {
	for len(message) > 0 {
		key, n := binary.Uvarint(message)
		if n <= 0 {
			return errStats
		}
		message = message[n:]
		var value uint64
		var bytes []byte
		size := 0
		switch key & (1<<bitsOfWireFormat - 1) {
		case wireVarint:
			if value, size = binary.Uvarint(message); size <= 0 {
				return errStats
			}
		case wireFixed64:
			size = bytesOfFixed64
		case wireFixed32:
			size = bytesOfFixed32
		case wireBytes:
			length, n := binary.Uvarint(message)
			if n <= 0 || length > uint64(len(message)-n) {
				return errStats
			}
			size = n + int(length)
			bytes = message[n:size]
		default:
			return errStats
		}
		if size > len(message) {
			return errStats
		}
		visit(int(key>>bitsOfWireFormat), value, bytes)
		message = message[size:]
	}
	return nil
}
