package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// An image is one layer made of the node's own files, so that the node's image need not hold them twice.
type image struct {
	names      []string
	entrypoint []string
	user       string
	files      []imageFile
}

// An imageFile is a copy of a file or folder of the node, or a symbolic link.
type imageFile struct {
	path, source, link string
}

// writeArchive writes images in the form of `docker save`.
func writeArchive(w io.Writer, images []image) error {
	archive := tar.NewWriter(w)
	var manifest []map[string]any
	for i, img := range images {
		// Once for the digest and the size, which come first in the archive, and once more to be written.
		digest, size := sha256.New(), &counter{}
		if err := img.writeLayer(io.MultiWriter(digest, size)); err != nil {
			return err
		}
		layer, config := fmt.Sprintf("layer-%d.tar", i), fmt.Sprintf("config-%d.json", i)
		if err := archive.WriteHeader(&tar.Header{Name: layer, Mode: 0o644, Size: size.bytes}); err != nil {
			return err
		}
		if err := img.writeLayer(archive); err != nil {
			return err
		}
		if err := writeJSON(archive, config, img.config("sha256:"+hex.EncodeToString(digest.Sum(nil)))); err != nil {
			return err
		}
		manifest = append(manifest, map[string]any{"Config": config, "RepoTags": img.names, "Layers": []string{layer}})
	}
	if err := writeJSON(archive, "manifest.json", manifest); err != nil {
		return err
	}
	return archive.Close()
}

func (img image) config(layer string) map[string]any {
	return map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{
			"Entrypoint": img.entrypoint, "User": img.user,
			"Env": []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, "Labels": map[string]string{"bay-e2e.dev/made-by": "offline"},
		},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{layer}},
	}
}

func (img image) writeLayer(w io.Writer) error {
	layer := tar.NewWriter(w)
	for _, file := range img.files {
		if file.link != "" {
			if err := layer.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: file.path, Linkname: file.link, Mode: 0o777}); err != nil {
				return err
			}
			continue
		}
		err := filepath.WalkDir(file.source, func(path string, entry fs.DirEntry, err error) error {
			name := strings.TrimPrefix(file.path+strings.TrimPrefix(path, file.source), "/")
			if err != nil || name == "" {
				return err
			}
			return addToLayer(layer, path, name, entry)
		})
		if err != nil {
			return err
		}
	}
	return layer.Close()
}

func addToLayer(layer *tar.Writer, path, name string, entry fs.DirEntry) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	link := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if link, err = os.Readlink(path); err != nil {
			return err
		}
	}
	header, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return err
	}
	header.Name, header.Uname, header.Gname = name, "", ""
	if err := layer.WriteHeader(header); err != nil || !info.Mode().IsRegular() {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(layer, file)
	return err
}

func writeJSON(archive *tar.Writer, name string, value any) error {
	content, err := json.Marshal(value)
	if err != nil {
		return err
	}
	if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
		return err
	}
	_, err = io.Copy(archive, bytes.NewReader(content))
	return err
}

type counter struct{ bytes int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.bytes += int64(len(p))
	return len(p), nil
}
