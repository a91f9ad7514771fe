package mapping

import (
	"regexp"
	"slices"
)

// masks compiles mask.
func (c *ruleCompiler) masks(specs []MaskSpec) (ms masks) {
	builtin := builtinMasks()
	for _, spec := range specs {
		if spec.Pattern.Value != "" {
			ms = append(ms, c.ownMask(spec))
			continue
		}
		i := slices.IndexFunc(builtin, func(m masker) bool { return m.name == spec.Name.Value })
		switch {
		case spec.Name.Value == "": // the file's reader has said so
		case i < 0:
			c.fault(spec.Name.Place, `unknown mask "`+spec.Name.Value+`"`+DidYouMean(spec.Name.Value, builtinMaskNames())+
				"; for a regular expression write { pattern: …, replace: … }")
		case !slices.ContainsFunc(ms, func(m masker) bool { return m.name == builtin[i].name }):
			ms = append(ms, builtin[i])
		}
	}
	return ms
}

// ownMask compiles a mask that is a pattern.
func (c *ruleCompiler) ownMask(spec MaskSpec) masker {
	re, err := regexp.Compile(spec.Pattern.Value)
	if err != nil {
		c.fault(spec.Pattern.Place, notRE2(err))
		return masker{}
	}
	if re.MatchString("") {
		c.fault(spec.Pattern.Place, "this pattern fits the empty text, and so everywhere")
	}
	m := masker{re: re, replace: "***"}
	if spec.Replace.Place != (Place{}) {
		m.replace = spec.Replace.Value
	}
	return m
}
