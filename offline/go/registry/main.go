// Command registry is the distribution project's registry with what tests need of it: files or memory as storage, and
// logins by htpasswd. Its own command links the SDKs of every cloud and takes ten times as long to build.
// `registry htpasswd USER` prints a line for the file of logins; the password comes from standard input.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/distribution/distribution/v3/registry"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory"
	"github.com/spf13/cobra"
	"golang.org/x/crypto/bcrypt"
)

func main() {
	registry.RootCmd.AddCommand(&cobra.Command{Use: "htpasswd USER", Short: "`htpasswd` prints a line for the file of logins", Args: cobra.ExactArgs(1), RunE: htpasswd})
	if err := registry.RootCmd.Execute(); err != nil {
		os.Exit(1)
	}
}

func htpasswd(_ *cobra.Command, arguments []string) error {
	password, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	hash, err := bcrypt.GenerateFromPassword(password, bcrypt.MinCost)
	if err != nil {
		return err
	}
	fmt.Printf("%s:%s\n", arguments[0], hash)
	return nil
}
