package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// The tool may be told another store (RUNC_CR_STORE); containerd, which calls the runtime, is not. Such a checkpoint has
// a link of its id in the store that the runtime knows, from where a restore finds it.

// known is the store that the runtime looks into; it may be this one.
func (s *store) known() *store {
	if s.runtime == "" {
		return s
	}
	return &store{path: resolved(s.runtime)}
}

// remember lets the runtime find a checkpoint of this store.
func (s *store) remember(id string) error {
	if s.runtime == "" {
		return nil
	}
	other, err := openStoreAt(s.runtime)
	if err != nil {
		return err
	}
	return errors.Join(other.forget(id), os.Symlink(s.path, filepath.Join(other.path, elsewhereFolder, id)))
}

func (s *store) forget(id string) error {
	err := os.Remove(filepath.Join(s.path, elsewhereFolder, id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// holding is the store in which a checkpoint is: this one, or the one that the link of its id leads to.
func (s *store) holding(id string) *store {
	if _, err := os.Lstat(s.folder(id)); err == nil {
		return s
	}
	if path, err := os.Readlink(filepath.Join(s.path, elsewhereFolder, id)); err == nil {
		return &store{path: path}
	}
	return s
}
