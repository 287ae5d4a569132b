package text

import "math"

// pluralOf returns the rule of a language that says which plural form a number
// takes, as CLDR has it for whole numbers and for fractions. The rules are those
// of the languages that apps are likely to add; others have one form for 1 and
// one for the rest.
func pluralOf(base string) func(float64) string {
	switch base {
	case "id", "ja", "ko", "ms", "th", "vi", "zh":
		return func(float64) string { return "other" }
	case "fr", "hy", "pt":
		return func(n float64) string {
			if n >= 0 && n < 2 {
				return "one"
			}
			return "other"
		}
	case "cs", "sk":
		return czech
	case "pl":
		return polish
	case "be", "ru", "uk":
		return russian
	case "ar":
		return arabic
	case "he":
		return func(n float64) string {
			switch n {
			case 1:
				return "one"
			case 2:
				return "two"
			}
			return "other"
		}
	}
	return func(n float64) string {
		if n == 1 {
			return "one"
		}
		return "other"
	}
}

// endings returns the last digit and the last two of a whole number.
func endings(n float64) (one, two int, whole bool) {
	if n != math.Trunc(n) {
		return 0, 0, false
	}
	return int(math.Mod(n, 10)), int(math.Mod(n, 100)), true
}

func czech(n float64) string {
	switch {
	case n != math.Trunc(n):
		return "many"
	case n == 1:
		return "one"
	case n >= 2 && n <= 4:
		return "few"
	}
	return "other"
}

func polish(n float64) string {
	one, two, whole := endings(n)
	switch {
	case !whole:
		return "other"
	case n == 1:
		return "one"
	case one >= 2 && one <= 4 && (two < 12 || two > 14):
		return "few"
	}
	return "many"
}

func russian(n float64) string {
	one, two, whole := endings(n)
	switch {
	case !whole:
		return "other"
	case one == 1 && two != 11:
		return "one"
	case one >= 2 && one <= 4 && (two < 12 || two > 14):
		return "few"
	}
	return "many"
}

func arabic(n float64) string {
	_, two, whole := endings(n)
	switch {
	case !whole:
		return "other"
	case n == 0:
		return "zero"
	case n == 1:
		return "one"
	case n == 2:
		return "two"
	case two >= 3 && two <= 10:
		return "few"
	case two >= 11:
		return "many"
	}
	return "other"
}
