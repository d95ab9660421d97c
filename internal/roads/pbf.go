package roads

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// The format (wiki.openstreetmap.org/wiki/PBF_Format) bounds a block, so that a
// length that was damaged cannot take all memory.
const (
	maxBlobHeader = 64 << 10
	maxBlob       = 32 << 20
)

// features are what a file may ask its reader to understand.
var features = []string{"OsmSchema-V0.6", "DenseNodes"}

// readBlocks hands the content of every data block of a PBF file to visit, in order.
// An error says at which byte the block begins.
func readBlocks(ctx context.Context, in io.Reader, visit func(block []byte) error) error {
	var at int64
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		kind, data, size, err := readBlock(in)
		if errors.Is(err, io.EOF) {
			return nil
		}
		switch {
		case err != nil:
		case at == 0 && kind != "OSMHeader":
			err = errors.New("the file does not begin with an OSMHeader")
		case kind == "OSMHeader":
			err = checkFeatures(data)
		case kind == "OSMData":
			err = visit(data)
		}
		if err != nil {
			return fmt.Errorf("block at byte %d: %w", at, err)
		}
		at += size
	}
}

// readBlock returns the next block and its size in the file; io.EOF at the end.
func readBlock(in io.Reader) (kind string, data []byte, size int64, err error) {
	var prefix [4]byte
	if _, err := io.ReadFull(in, prefix[:]); err != nil {
		return "", nil, 0, cutOff(err, false)
	}
	head, err := readBytes(in, int64(binary.BigEndian.Uint32(prefix[:])), maxBlobHeader)
	if err != nil {
		return "", nil, 0, err
	}
	var length uint64
	err = eachField(head, func(f field) error {
		switch f.number {
		case 1:
			kind = string(f.bytes)
		case 3:
			length = f.value
		}
		return nil
	})
	if err != nil {
		return "", nil, 0, err
	}
	blob, err := readBytes(in, int64(min(length, maxBlob+1)), maxBlob)
	if err != nil {
		return "", nil, 0, err
	}
	data, err = unpack(blob)
	return kind, data, int64(len(prefix) + len(head) + len(blob)), err
}

func readBytes(in io.Reader, n, most int64) ([]byte, error) {
	if n > most {
		return nil, fmt.Errorf("more than %d bytes long", most)
	}
	b := make([]byte, n)
	_, err := io.ReadFull(in, b)
	return b, cutOff(err, true)
}

// cutOff tells a file that ends in the middle of something from one that just ends.
func cutOff(err error, inside bool) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) && inside {
		return errors.New("the file is cut off")
	}
	return err
}

// unpack returns the content of a blob.
func unpack(blob []byte) (data []byte, err error) {
	found := false
	err = eachField(blob, func(f field) error {
		switch f.number {
		case 1:
			data, found = f.bytes, true
		case 2: // the size of the content, which the bound makes needless
		case 3:
			found = true
			z, err := zlib.NewReader(bytes.NewReader(f.bytes))
			if err != nil {
				return err
			}
			if data, err = io.ReadAll(io.LimitReader(z, maxBlob+1)); err == nil && len(data) > maxBlob {
				err = fmt.Errorf("more than %d bytes long", maxBlob)
			}
			return err
		}
		return nil
	})
	if err == nil && !found {
		err = errors.New("neither plain nor packed by zlib")
	}
	return data, err
}

func checkFeatures(header []byte) error {
	return eachField(header, func(f field) error {
		if f.number == 4 && !slices.Contains(features, string(f.bytes)) {
			return fmt.Errorf("asks for %q, which is not understood", f.bytes)
		}
		return nil
	})
}

// field is one field of a protobuf message: a number or a string of bytes.
type field struct {
	number protowire.Number
	value  uint64
	bytes  []byte
}

// eachField visits the fields of a message.
func eachField(message []byte, visit func(field) error) error {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		f := field{number: number}
		switch kind {
		case protowire.VarintType:
			f.value, n = protowire.ConsumeVarint(message)
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(message)
		default:
			n = protowire.ConsumeFieldValue(number, kind, message)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		if err := visit(f); err != nil {
			return err
		}
	}
	return nil
}

// append appends the numbers of a repeated field, packed or one by one.
func (f field) append(into []uint64) ([]uint64, error) {
	if f.bytes == nil {
		return append(into, f.value), nil
	}
	for rest := f.bytes; len(rest) > 0; {
		v, n := protowire.ConsumeVarint(rest)
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		into, rest = append(into, v), rest[n:]
	}
	return into, nil
}
