package main

// nginxConfig is auth_basic as nginx's manual has it, in front of an upstream
// whose connections are kept, set up for streaming: nothing is spooled to disk.
// nginx knows no groups; pushers are whoever is in the users' file.
const nginxConfig = `daemon off;
pid {{.Home}}/pid;
worker_processes 2;
worker_rlimit_nofile 8192;
{{if .Root}}user daemon daemon;{{end}}
error_log {{.Home}}/error.log warn;
events {
	worker_connections 4096;
}
http {
	client_body_temp_path {{.Home}}/body;
	proxy_temp_path {{.Home}}/proxy;
	fastcgi_temp_path {{.Home}}/fastcgi;
	uwsgi_temp_path {{.Home}}/uwsgi;
	scgi_temp_path {{.Home}}/scgi;
	access_log {{if .AccessLog}}{{.Home}}/access.log{{else}}off{{end}};
	upstream registry {
		server {{.Upstream}};
		keepalive 64;
		keepalive_requests 1000000000;
	}
	server {
		listen {{.Listen}} ssl;
		server_name localhost;
		ssl_certificate {{.CertFile}};
		ssl_certificate_key {{.KeyFile}};
		ssl_protocols TLSv1.2 TLSv1.3;
		keepalive_timeout 75s;
		keepalive_requests 1000000000;
		client_max_body_size 0;
		location /v2/ {
			auth_basic "Registry Authentication";
			auth_basic_user_file {{.UsersFile}};
			proxy_pass http://registry;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header Host $http_host;
			proxy_set_header X-Forwarded-For $remote_addr;
			proxy_set_header X-Forwarded-Proto https;
			proxy_request_buffering off;
			proxy_max_temp_file_size 0;
			proxy_buffers 16 64k;
			proxy_buffer_size 16k;
			proxy_busy_buffers_size 256k;
		}
	}
}
`
