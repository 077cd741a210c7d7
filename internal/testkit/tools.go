package testkit

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// BuildTools builds commands (“dc_client”) into the folder, as `make build` does: without
// cgo. It is for TestMain, which has no test to fail; tests use Build.
func BuildTools(folder string, names ...string) error {
	args := []string{"build", "-o", folder + "/"}
	for _, name := range names {
		args = append(args, "distcache/cmd/"+name)
	}
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %v: %w\n%s", args, err, out)
	}
	return nil
}

// NoteSources looks at the folders of the tools' sources below the module's root, so that
// the go command knows what the tests depend on: else it would take their results from its
// cache when a source has changed. It must be called from within a test.
func NoteSources(root string) error {
	for _, part := range []string{"cmd", "codec", "engine", "upstream", "internal"} {
		err := filepath.WalkDir(filepath.Join(root, part), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.IsDir() {
				return err
			}
			folder, err := os.Open(path) // which the go command hears of
			if err != nil {
				return err
			}
			return folder.Close()
		})
		if err != nil {
			return fmt.Errorf("look at the sources: %w", err)
		}
	}
	return nil
}
