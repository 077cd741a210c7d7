package service

import (
	"os"
	"strings"
)

// readStatus reads a status file of /proc (proc(5)) into its fields; blanks around the values are cut off.
func readStatus(path string) (map[string]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	fields := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok {
			fields[name] = strings.TrimSpace(value)
		}
	}
	return fields, nil
}
