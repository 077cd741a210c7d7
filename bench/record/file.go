package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ErrFormat is returned by Load for a file that is no run of this Format.
var ErrFormat = errors.New("not a file of results")

// samplesKey introduces the samples, behind all else.
const samplesKey = ",\n  \"samples\": ["

// Encode returns the run as JSON with one sample a line.
func (r *Run) Encode() ([]byte, error) {
	head, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.Write(bytes.TrimSuffix(head, []byte("\n}")))
	b.WriteString(samplesKey)
	for i := range r.Samples {
		line, err := json.Marshal(&r.Samples[i])
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("\n    ")
		b.Write(line)
	}
	b.WriteString("\n  ]\n}\n")
	return b.Bytes(), nil
}

// Decode reads what Encode wrote. Its error wraps ErrFormat.
func Decode(b []byte) (*Run, error) {
	var file struct {
		Run
		Samples []Sample `json:"samples"`
	}
	if err := json.Unmarshal(b, &file); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if file.Format != Format {
		return nil, fmt.Errorf("%w: format %d, want %d", ErrFormat, file.Format, Format)
	}
	file.Run.Samples = file.Samples
	return &file.Run, nil
}

// Save writes the run to the file, and makes its directory if need be.
func (r *Run) Save(path string) error {
	b, err := r.Encode()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o666)
}

// Load reads the file.
func Load(path string) (*Run, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r, err := Decode(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// Name returns the name of the run's file: when it started and its form.
func (r *Run) Name() string {
	return fmt.Sprintf("%s-%s.json", r.Started.UTC().Format("20060102-150405"), r.Form)
}

// Newest returns the path of the file in the directory to report on: of the runs of the first form that which started
// last, or without one of the second form, and so on. Runs of other forms do not count. It returns an error that wraps
// os.ErrNotExist when there is none.
func Newest(directory string, forms ...string) (string, error) {
	entries, err := os.ReadDir(directory)
	if err != nil {
		return "", err
	}
	for _, form := range forms {
		for _, e := range slices.Backward(entries) { // by name, which begins with the date
			if strings.HasSuffix(e.Name(), "-"+form+".json") {
				return filepath.Join(directory, e.Name()), nil
			}
		}
	}
	return "", fmt.Errorf("%s: no results of the form %s: %w; make bench and make bench-growth make them", directory, strings.Join(forms, " or "), os.ErrNotExist)
}
