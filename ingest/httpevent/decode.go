package httpevent

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"strings"

	"github.com/pdaltagent/pdaltagent/ingest"
)

const (
	jsonMedia      = "application/json"
	formMedia      = "application/x-www-form-urlencoded"
	multipartMedia = "multipart/form-data"
)

// maxParts is how many fields a multipart form may have.
const maxParts = 1000

var (
	errEmpty     = errors.New("the body is empty")
	errForm      = errors.New("form parse error: a name or a value is not percent-encoded as a form must be")
	errMultipart = errors.New("form parse error: the body is not multipart/form-data, as its Content-Type says")
	errParts     = errors.New("form parse error: more than 1000 fields")
)

// content is what a Content-Type says.
type content struct {
	media    string // in lower case; empty: it says nothing that can be read
	charset  string
	boundary string // of multipart
}

func contentOf(header string) content {
	if header == jsonMedia {
		return content{media: header}
	}
	media, params, err := mime.ParseMediaType(header)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return content{}
	}
	return content{media: media, charset: params["charset"], boundary: params["boundary"]}
}

// decodeJSON decodes a body that is one JSON value, whatever its media type
// says: curl -d says that it is a form.
func decodeJSON(_ content, text []byte) (any, error) { return ingest.DecodeJSON(text) }

// decodeForm decodes a form to a map[string]any of string, or of []any where
// a name is given more than once.
func decodeForm(c content, text []byte) (any, error) {
	values, err := url.ParseQuery(string(text))
	if err != nil {
		return nil, errForm
	}
	form := make(map[string]any, len(values))
	for name, given := range values {
		for _, v := range given {
			add(form, fromForm(name, c.charset), fromForm(v, c.charset))
		}
	}
	return form, nil
}

// fromForm returns a name or value of a form, whose charset shows only when
// the percent-encoding is undone.
func fromForm(s, charset string) string {
	return ingest.CleanText(string(ingest.UTF8([]byte(s), charset)))
}

// add adds a field to a form: a second one of its name makes a list of it.
func add(form map[string]any, name string, v any) {
	switch had := form[name].(type) {
	case nil:
		form[name] = v
	case []any:
		form[name] = append(had, v)
	default:
		form[name] = []any{had, v}
	}
}

// decodeMultipart decodes a form as browsers and curl -F send it, files
// included.
func decodeMultipart(c content, raw []byte) (any, error) {
	form := map[string]any{}
	parts := multipart.NewReader(bytes.NewReader(raw), c.boundary)
	for n := 0; ; n++ {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) && n > 0 {
			return form, nil
		}
		if err != nil {
			return nil, errMultipart
		}
		if n == maxParts {
			return nil, errParts
		}
		value, err := io.ReadAll(part)
		if err != nil {
			return nil, errMultipart
		}
		charset := contentOf(part.Header.Get("Content-Type")).charset
		add(form, ingest.CleanText(part.FormName()), fromForm(string(value), charset))
	}
}

// decodeAny decodes what a hook is sent: JSON where its media type says so or
// where it is an object or an array; a form where its media type says so;
// else text.
func decodeAny(c content, text []byte) (any, error) {
	if c.media == jsonMedia || strings.HasSuffix(c.media, "+json") {
		return ingest.DecodeJSON(text)
	}
	if c.media == multipartMedia {
		return withPayload(decodeMultipart(c, text))
	}
	if isJSON(text) {
		v, err := ingest.DecodeJSON(text)
		if err == nil || errors.Is(err, ingest.ErrDeepJSON) {
			return v, err
		}
	}
	if c.media == formMedia {
		return withPayload(decodeForm(c, text))
	}
	return ingest.CleanText(string(text)), nil
}

// isJSON says whether text may be an object or an array.
func isJSON(text []byte) bool {
	start := bytes.TrimLeft(text, " \t\r\n")
	return len(start) > 0 && (start[0] == '{' || start[0] == '[')
}

// withPayload decodes the field of a form in which GitHub, Slack and others
// send JSON: payload. Where it is the only one, it is the body, so that a rule
// need not know which of both its sender is set to.
func withPayload(v any, err error) (any, error) {
	form, _ := v.(map[string]any)
	text, _ := form["payload"].(string)
	if err != nil || !isJSON([]byte(text)) {
		return v, err
	}
	payload, err := ingest.DecodeJSON([]byte(text))
	if err != nil {
		return v, nil //nolint:nilerr // then it is a text that looks like JSON
	}
	if len(form) == 1 {
		return payload, nil
	}
	form["payload"] = payload
	return form, nil
}
