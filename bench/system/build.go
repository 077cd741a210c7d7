package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// findRoot returns the project's folder, from anywhere in it.
func findRoot(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Path}} {{.Dir}}")
	b, err := cmd.Output()
	path, root, ok := strings.Cut(strings.TrimSpace(string(b)), " ")
	if err != nil || !ok || path != "distcache" {
		return "", fmt.Errorf("%w: run it in the project's folder (go list -m: %q, %v)", errUsage, b, err)
	}
	return root, nil
}

// build makes the programs that are measured, as make build does, in the folder.
func build(ctx context.Context, root, folder string, stderr io.Writer) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", folder+"/",
		"./cmd/dc_client", "./cmd/dc_server", "./bench/floor", "./bench/stub", "./bench/peers/goroutine", "./bench/peers/gnetrun")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stdout, cmd.Stderr = stderr, stderr
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return err
	}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go build: %w", err)
	}
	return nil
}
