package main

import (
	"bytes"
	"image/color"
	"math"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// chart is one plot of lines.
type chart struct {
	title, x, y string
	logX, logY  bool
	whiskers    bool // from the lowest round to the highest
	ticksX      []float64
	lines       []line
}

// line is one of them.
type line struct {
	name   string
	look   look
	dashed bool
	points []point
}

// point has the lowest and highest of its rounds beside the median.
type point struct {
	x, y      float64
	low, high float64
}

// The size of a chart, and of the part on the right that holds the legend, so that it never covers data.
const (
	chartWidth  = 9 * vg.Inch
	chartHeight = 4.8 * vg.Inch
	legendWidth = 2.5 * vg.Inch
	chartMargin = 0.12 * vg.Inch
)

// svg draws the chart.
func (c *chart) svg() ([]byte, error) {
	p := plot.New()
	dress(p, c.title, c.x, c.y)
	legend := newLegend(p)
	for _, l := range c.lines {
		if err := c.addLine(p, &legend, l); err != nil {
			return nil, err
		}
	}
	c.scale(p)
	return drawSVG(p, &legend)
}

func (c *chart) addLine(p *plot.Plot, legend *plot.Legend, l line) error {
	var xys plotter.XYs
	bars := errorBars{}
	for _, at := range l.points {
		xys = append(xys, plotter.XY{X: at.x, Y: at.y})
		bars.YErrors = append(bars.YErrors, struct{ Low, High float64 }{at.y - at.low, at.high - at.y})
	}
	bars.XYs = xys
	drawn, marks, err := plotter.NewLinePoints(xys)
	if err != nil {
		return err
	}
	whiskers, err := plotter.NewYErrorBars(bars)
	if err != nil {
		return err
	}
	drawn.Color, drawn.Width = l.look.color, vg.Points(1.6)
	if l.dashed {
		drawn.Dashes = []vg.Length{vg.Points(5), vg.Points(3)}
	}
	marks.Color, marks.Shape, marks.Radius = l.look.color, l.look.shape, vg.Points(3)
	whiskers.Color, whiskers.CapWidth = l.look.color, vg.Points(4)
	p.Add(drawn, marks)
	if c.whiskers {
		p.Add(whiskers)
	}
	legend.Add(l.name, drawn, marks)
	return nil
}

type errorBars struct {
	plotter.XYs
	plotter.YErrors
}

// scale sets the axes: a linear one begins at 0, a logarithmic one at a power of ten.
func (c *chart) scale(p *plot.Plot) {
	if c.logX {
		p.X.Scale = plot.LogScale{}
		p.X.Min, p.X.Max = p.X.Min/1.15, p.X.Max*1.15
	} else {
		p.X.Min = 0
	}
	p.X.Tick.Marker = ticksAt(c.ticksX, 0)
	if !c.logY {
		p.Y.Min = 0
		p.Y.Max *= 1.05
		p.Y.Tick.Marker = plot.TickerFunc(evenTicks)
		return
	}
	p.Y.Scale = plot.LogScale{}
	p.Y.Min = math.Pow(10, math.Floor(math.Log10(p.Y.Min)))
	p.Y.Max = math.Pow(10, math.Ceil(math.Log10(p.Y.Max)))
	p.Y.Tick.Marker = plot.TickerFunc(powerTicks)
}

// labelGap keeps labels off their ticks where the reader's font is wider than the one that the plot was laid out with.
const labelGap = " "

// ticksAt labels each value with so many digits behind the point.
func ticksAt(values []float64, digits int) plot.ConstantTicks {
	var ticks plot.ConstantTicks
	for _, v := range values {
		ticks = append(ticks, plot.Tick{Value: v, Label: fixed(v, digits) + labelGap})
	}
	return ticks
}

// evenTicks puts ticks at multiples of 1, 2 or 5 times a power of ten, four to ten of them.
func evenTicks(low, high float64) []plot.Tick {
	step := math.Pow(10, math.Floor(math.Log10((high-low)/4)))
	for _, factor := range []float64{1, 2, 5} {
		if (high-low)/(step*factor) <= 10 {
			step *= factor
			break
		}
	}
	var values []float64
	for i := 0.0; low+i*step <= high; i++ {
		values = append(values, low+i*step)
	}
	return ticksAt(values, digitsOf(step))
}

// digitsOf returns how many digits behind the point tell multiples of a power of ten apart.
func digitsOf(power float64) int { return max(0, -int(math.Floor(math.Log10(power)+1e-9))) }

// powerTicks puts ticks at the powers of ten, and small ones between.
func powerTicks(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	for power := low; power <= high*1.001; power *= 10 {
		ticks = append(ticks, plot.Tick{Value: power, Label: fixed(power, digitsOf(power)) + labelGap})
		for i := 2.0; i < 10 && power*i < high; i++ {
			ticks = append(ticks, plot.Tick{Value: power * i})
		}
	}
	return ticks
}

// dress sets what all plots have in common.
func dress(p *plot.Plot, title, x, y string) {
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.Title.Padding = vg.Points(8)
	styles := []*text.Style{
		&p.Title.TextStyle, &p.X.Label.TextStyle, &p.Y.Label.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label,
	}
	for _, s := range styles {
		sans(s, 10)
	}
	p.Title.TextStyle.Font.Size = font.Length(12)
	p.X.Padding, p.Y.Padding = vg.Points(4), vg.Points(4)
	grid := plotter.NewGrid()
	grid.Vertical.Color = nil
	grid.Horizontal.Color = color.Gray{Y: 220}
	p.Add(grid)
}

func sans(s *text.Style, size float64) {
	s.Font.Variant = "Sans"
	s.Font.Size = font.Length(size)
}

func newLegend(p *plot.Plot) plot.Legend {
	l := plot.NewLegend()
	l.Top, l.Left = true, true
	sans(&l.TextStyle, 10)
	l.Padding = vg.Points(3)
	l.ThumbnailWidth = vg.Points(24)
	return l
}

// drawSVG draws the plot with its legend on the right.
func drawSVG(p *plot.Plot, legend *plot.Legend) ([]byte, error) {
	canvas := vgsvg.New(chartWidth, chartHeight)
	whole := draw.New(canvas)
	whole.SetColor(color.White)
	whole.Fill(whole.Rectangle.Path())
	inner := draw.Crop(whole, chartMargin, -chartMargin, chartMargin, -chartMargin)
	p.Draw(draw.Crop(inner, 0, -legendWidth, 0, 0))
	legend.Draw(draw.Crop(inner, chartWidth-2*chartMargin-legendWidth+vg.Points(10), 0, 0, -vg.Points(26)))
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return nil, err
	}
	// A reader without that font shall take one of about its width.
	const only, family = "font-family:Liberation Sans", "font-family:'Liberation Sans',Arial,Helvetica,sans-serif"
	return []byte(strings.ReplaceAll(b.String(), only, family)), nil
}

// look is how a target appears in every plot. The colours are told apart by the colour-blind too (Okabe and Ito), and the
// shapes by everybody.
type look struct {
	color color.Color
	shape draw.GlyphDrawer
}

func lookOf(target string) look {
	blue, sky := color.RGBA{0, 114, 178, 255}, color.RGBA{86, 180, 233, 255}
	vermilion, orange := color.RGBA{213, 94, 0, 255}, color.RGBA{230, 159, 0, 255}
	green, purple := color.RGBA{0, 158, 115, 255}, color.RGBA{204, 121, 167, 255}
	switch target {
	case stubbed, server:
		return look{blue, draw.CircleGlyph{}}
	case pair:
		return look{sky, draw.RingGlyph{}}
	case secure:
		return look{orange, draw.RingGlyph{}}
	case twemproxy, memcached:
		return look{vermilion, draw.BoxGlyph{}}
	case goroutine:
		return look{green, draw.PyramidGlyph{}}
	case gnetRun:
		return look{purple, draw.TriangleGlyph{}}
	case door:
		return look{green, draw.PyramidGlyph{}}
	case stored:
		return look{vermilion, draw.BoxGlyph{}}
	case redis:
		return look{orange, draw.PyramidGlyph{}}
	}
	return look{color.Gray{Y: 90}, draw.CrossGlyph{}}
}
