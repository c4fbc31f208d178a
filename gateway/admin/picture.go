package admin

import (
	"fmt"
	"html/template"
	"math"
	"strings"
)

// Pictures are drawn in units of which the page makes as much room as there is. They are
// of rectangles and lines alone; how these look is said in the style of the page.
const (
	pictureWidth  = 600
	pictureHeight = 100
	minuteWidth   = pictureWidth / keptMinutes
)

// picture draws what body says, for those who do not see it with a text.
func picture(text, body string) template.HTML {
	return template.HTML(fmt.Sprintf(`<svg class="picture" viewBox="0 0 %d %d" preserveAspectRatio="none" role="img" aria-label="%s">%s</svg>`,
		pictureWidth, pictureHeight, template.HTMLEscapeString(text), body))
}

// drawRates draws a bar for each minute: the requests, and at its foot those of them that
// were refused.
func drawRates(minutes []Minute) template.HTML {
	most := busiest(minutes)
	var b strings.Builder
	for i, m := range minutes {
		x := left(i, minutes)
		bar := func(class string, n uint64) {
			if height := scaled(float64(n), float64(most)); n > 0 {
				fmt.Fprintf(&b, `<rect class="%s" x="%d" y="%d" width="%d" height="%d"/>`, class, x, pictureHeight-height, minuteWidth-1, height)
			}
		}
		bar("passed", m.Requests)
		bar("refused", m.Refused)
	}
	return picture(fmt.Sprintf("requests in each minute of the last hour, %d at most", most), b.String())
}

// drawLatencies draws how long requests took in each minute in which there were any.
func drawLatencies(minutes []Minute) template.HTML {
	most := slowest(minutes)
	line := func(class string, of func(Minute) float64) string {
		var b strings.Builder
		move := byte('M') // to where a line begins
		for i, m := range minutes {
			if m.Requests == 0 {
				move = 'M'
				continue
			}
			y := pictureHeight - scaled(of(m), most)
			fmt.Fprintf(&b, "%c%d %dh%d", move, left(i, minutes), y, minuteWidth)
			move = 'L'
		}
		return fmt.Sprintf(`<path class="%s" d="%s"/>`, class, b.String())
	}
	text := fmt.Sprintf("time that requests took in each minute of the last hour, %s at most", lasting(most))
	return picture(text, line("slow", func(m Minute) float64 { return m.P95 })+line("usual", func(m Minute) float64 { return m.Median }))
}

// left returns where the minute at index i begins: the last one ends at the right.
func left(i int, minutes []Minute) int { return pictureWidth - (len(minutes)-i)*minuteWidth }

// scaled returns the height for a value where that of most is all of the picture. What is
// not nothing can be seen.
func scaled(value, most float64) int {
	if value <= 0 || most <= 0 {
		return 0
	}
	return max(1, int(math.Round(value/most*(pictureHeight-2))))
}

// busiest returns the most requests of a minute.
func busiest(minutes []Minute) (most uint64) {
	for _, m := range minutes {
		most = max(most, m.Requests)
	}
	return most
}

// slowest returns the longest time of a minute, in seconds.
func slowest(minutes []Minute) (most float64) {
	for _, m := range minutes {
		most = max(most, m.P95)
	}
	return most
}
