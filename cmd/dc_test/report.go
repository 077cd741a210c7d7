package main

import (
	"encoding/json"
	"fmt"
	"os"

	"distcache/bench/load/plan"
)

// report is the file of -json. It is opened before the run, so that a path that cannot be written is known at once, and
// what is there is replaced only when there is something to put in its place.
type report struct{ file *os.File }

// openReport opens the file; with an empty path the report goes nowhere.
func openReport(path string) (*report, error) {
	if path == "" {
		return &report{}, nil
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return nil, fmt.Errorf("-json: %w", err)
	}
	return &report{file: file}, nil
}

// contents is what the file holds.
type contents struct {
	Tool string `json:"tool"`
	*plan.Report
}

func (r *report) write(result *plan.Result) error {
	if r.file == nil {
		return nil
	}
	data, err := result.Report()
	if err != nil {
		return fmt.Errorf("-json: %w", err)
	}
	text, err := json.MarshalIndent(contents{Tool: version(), Report: data}, "", "  ")
	if err != nil {
		return fmt.Errorf("-json: %w", err)
	}
	// A pipe or a terminal cannot be cut, and need not be.
	_ = r.file.Truncate(0)
	if _, err := r.file.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("-json: %w", err)
	}
	return r.close()
}

func (r *report) close() error {
	if r.file == nil {
		return nil
	}
	if err := r.file.Close(); err != nil {
		return fmt.Errorf("-json: %w", err)
	}
	return nil
}
