package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

const manifestFile = "manifest.json"

// manifest describes a checkpoint; README.md says what each field means.
type manifest struct {
	ID                   string         `json:"id"`
	Created              time.Time      `json:"created"`
	Version              string         `json:"version"`
	Container            aboutContainer `json:"container"`
	Bytes                int64          `json:"bytes"`
	MemoryBytes          int64          `json:"memoryBytes"`
	RootfsBytes          int64          `json:"rootfsBytes"`
	VolumeBytes          int64          `json:"volumeBytes"`
	FreezeMicroseconds   int64          `json:"freezeMicroseconds"`
	DurationMicroseconds int64          `json:"durationMicroseconds"`
	Steps                dumpSteps      `json:"steps"`
	// Volumes are archives of the pod's own volumes by where they are mounted.
	Volumes map[string]string     `json:"volumes,omitempty"`
	Files   map[string]fileRecord `json:"files"`
	// Checksum is of the file itself, so it is no part of it.
	Checksum string `json:"checksum,omitempty"`
}

type aboutContainer struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Image     string `json:"image"`
	Pod       string `json:"pod"`
	Namespace string `json:"namespace"`
	PodUID    string `json:"podUid"`
}

type fileRecord struct {
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// readManifest reads a checkpoint's manifest; it says nothing of the files.
func readManifest(folder string) (*manifest, error) {
	content, err := os.ReadFile(filepath.Join(folder, manifestFile))
	if err != nil {
		return nil, err
	}
	var m manifest
	if err := json.Unmarshal(content, &m); err != nil {
		return nil, failf(codeBroken, "%s cannot be read: %v", manifestFile, err)
	}
	m.Checksum = checksum(content)
	return &m, nil
}

// write puts a manifest into a folder and fills in its checksum.
func (m *manifest) write(folder string) error {
	m.Checksum = ""
	content, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return err
	}
	m.Checksum = checksum(content)
	return os.WriteFile(filepath.Join(folder, manifestFile), content, 0o600)
}

func checksum(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// compare looks whether a folder holds exactly the files of its manifest.
func (m *manifest) compare(folder string) error {
	found, err := recordFiles(folder)
	if err != nil {
		return err
	}
	for name, wanted := range m.Files {
		switch got, there := found[name]; {
		case !there:
			return failf(codeBroken, "%s of checkpoint %s is missing", name, m.ID)
		case got != wanted:
			return failf(codeBroken, "%s of checkpoint %s has %d bytes with sha256 %.12s…, wanted %d with %.12s…", name, m.ID, got.Bytes, got.SHA256, wanted.Bytes, wanted.SHA256)
		}
		delete(found, name)
	}
	for name := range found {
		return failf(codeBroken, "%s is in checkpoint %s and not in its manifest", name, m.ID)
	}
	return nil
}

// recordFiles takes the sha256 of every file of a checkpoint but its manifest, on all processors.
func recordFiles(folder string) (map[string]fileRecord, error) {
	var names []string
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if name != manifestFile {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	records := make([]fileRecord, len(names))
	var group errgroup.Group
	group.SetLimit(runtime.NumCPU())
	for i, name := range names {
		group.Go(func() (err error) {
			records[i], err = recordFile(filepath.Join(folder, name))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	files := make(map[string]fileRecord, len(names))
	for i, name := range names {
		files[name] = records[i]
	}
	return files, nil
}

func recordFile(path string) (fileRecord, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ELOOP) {
		return fileRecord{}, failf(codeBroken, "%s is a link", filepath.Base(path))
	}
	if err != nil {
		return fileRecord{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fileRecord{}, err
	}
	if !info.Mode().IsRegular() {
		return fileRecord{}, failf(codeBroken, "%s is no regular file", filepath.Base(path))
	}
	digest := sha256.New()
	bytes, err := io.CopyBuffer(digest, onlyReader{file}, make([]byte, 1<<20))
	return fileRecord{Bytes: bytes, SHA256: hex.EncodeToString(digest.Sum(nil))}, err
}

// onlyReader hides a file's WriteTo, which would copy in smaller pieces.
type onlyReader struct{ io.Reader }

func sortedKeys[V any](all map[string]V) []string { return slices.Sorted(maps.Keys(all)) }

func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
