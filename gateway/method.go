package gateway

import (
	"net/http"

	"gatehouse/gateway/rules"
)

// checkMethod refuses methods that no rule can name. CONNECT and TRACE are
// never passed on: the one turns a proxy into a tunnel, the other shows
// credentials.
func checkMethod(method string) *problem {
	if rules.KnownMethod(method) {
		return nil
	}
	switch method {
	case http.MethodConnect, http.MethodTrace, "TRACK":
		return &problem{
			status: http.StatusMethodNotAllowed, code: codeUnsupported, fault: "request.unsupported", allow: rules.AllMethods,
			message: "the method " + method + " is never allowed",
		}
	}
	return &problem{status: http.StatusNotImplemented, code: codeUnsupported, fault: "request.unsupported", message: "the request method is not known"}
}
