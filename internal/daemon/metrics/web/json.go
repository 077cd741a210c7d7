package web

import (
	"encoding/json"
	"os"

	"distcache/internal/daemon/metrics"
)

// page renders /status.json.
func (p *pages) page() ([]byte, error) {
	set := p.config.Monitor.Set()
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	return json.Marshal(metrics.Page{
		Program: p.config.Program, Version: p.config.Version, Host: host, Pid: os.Getpid(),
		Uptime: set.Total(metrics.Uptime), Ready: set.Ready(), Status: set.PageOf(),
		Mistakes: p.mistakes(), Step: metrics.HistoryStep.Seconds(), Steps: metrics.HistorySteps,
		Plots: p.config.Monitor.Plots(), Events: p.config.Events(),
	})
}

// figures renders /figures.json.
func (p *pages) figures() ([]byte, error) {
	set := p.config.Monitor.Set()
	return json.Marshal(metrics.Figures{
		Program: p.config.Program, Version: p.config.Version, Status: set.PageOf(), Mistakes: p.mistakes(), Figures: set.Values(),
	})
}

// mistakes is an empty list, not null, where there are none.
func (p *pages) mistakes() []metrics.FoundMistake {
	return append([]metrics.FoundMistake{}, p.config.Monitor.Mistakes()...)
}
