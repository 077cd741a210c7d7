package main

import (
	"image/color"

	"gonum.org/v1/plot/vg/draw"
)

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
	case twemproxy, memcached:
		return look{vermilion, draw.BoxGlyph{}}
	case goroutine:
		return look{green, draw.PyramidGlyph{}}
	case gnetRun:
		return look{purple, draw.TriangleGlyph{}}
	case redis:
		return look{orange, draw.PyramidGlyph{}}
	}
	return look{color.Gray{Y: 90}, draw.CrossGlyph{}}
}
