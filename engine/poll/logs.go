package poll

import (
	"fmt"
	"log/slog"
	"sync"

	"github.com/panjf2000/gnet/v2/pkg/logging"
)

// redirectLogs replaces gnet's logger, which is global in the process.
var redirectLogs = sync.OnceFunc(func() {
	logging.SetDefaultLoggerAndFlusher(gnetLogger{}, func() error { return nil })
})

// gnetLogger passes netpoll's messages about epoll and eventfd errors to slog.
type gnetLogger struct{}

func (gnetLogger) Debugf(format string, args ...any) { slog.Debug(fmt.Sprintf(format, args...)) }
func (gnetLogger) Infof(format string, args ...any)  { slog.Info(fmt.Sprintf(format, args...)) }
func (gnetLogger) Warnf(format string, args ...any)  { slog.Warn(fmt.Sprintf(format, args...)) }
func (gnetLogger) Errorf(format string, args ...any) { slog.Error(fmt.Sprintf(format, args...)) }
func (gnetLogger) Fatalf(format string, args ...any) { slog.Error(fmt.Sprintf(format, args...)) }
