package main

// haproxyConfig checks users against a list in the configuration. The passwords
// stand there in clear text, since HAProxy would compute a hash anew for every
// request, and on the one thread that also serves everybody else.
const haproxyConfig = `global
	nbthread 2
	maxconn 4096
	{{if .AccessLog}}log stdout format raw local0{{end}}
	ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256
	ssl-default-bind-options ssl-min-ver TLSv1.2

defaults
	mode http
	{{if .AccessLog}}log global
	option httplog{{end}}
	option forwardfor
	timeout connect 10s
	timeout client 75s
	timeout server 75s
	timeout http-keep-alive 75s

userlist people
	group pusher
{{- range .Users}}
	user {{.Name}} insecure-password {{.Password}} groups pusher
{{- end}}

frontend gate
	bind {{.Listen}} ssl crt {{.PairFile}}
	acl known http_auth(people)
	acl pusher http_auth_group(people) pusher
	http-request auth realm "Registry Authentication" unless known
	http-request deny unless METH_GET or pusher
	http-request set-header X-Forwarded-Proto https
	default_backend registry

backend registry
	http-reuse always
	server upstream {{.Upstream}}
`
