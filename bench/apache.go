package main

import (
	"os"
	"path/filepath"
)

// apacheModules is the folder with Apache's modules, which every distribution
// keeps elsewhere.
func apacheModules() string {
	const debian = "/usr/lib/apache2/modules"
	for _, dir := range []string{debian, "/usr/lib64/httpd/modules", "/usr/libexec/apache2", "/usr/local/apache2/modules"} {
		if _, err := os.Stat(filepath.Join(dir, "mod_proxy_http.so")); err == nil {
			return dir
		}
	}
	return debian
}

// apacheConfig is the registry recipe. Changed are the paths and what would
// make the comparison unfair to Apache: two processes with room for all
// connections, connections that are kept as long as elsewhere, and the cipher
// suite that the others use with TLS 1.3.
const apacheConfig = `
LoadModule mpm_event_module {{.Modules}}/mod_mpm_event.so
LoadModule headers_module {{.Modules}}/mod_headers.so
LoadModule authn_file_module {{.Modules}}/mod_authn_file.so
LoadModule authn_core_module {{.Modules}}/mod_authn_core.so
LoadModule authz_groupfile_module {{.Modules}}/mod_authz_groupfile.so
LoadModule authz_user_module {{.Modules}}/mod_authz_user.so
LoadModule authz_core_module {{.Modules}}/mod_authz_core.so
LoadModule auth_basic_module {{.Modules}}/mod_auth_basic.so
LoadModule access_compat_module {{.Modules}}/mod_access_compat.so
LoadModule ssl_module {{.Modules}}/mod_ssl.so
LoadModule proxy_module {{.Modules}}/mod_proxy.so
LoadModule proxy_http_module {{.Modules}}/mod_proxy_http.so
LoadModule socache_shmcb_module {{.Modules}}/mod_socache_shmcb.so
<IfModule !mod_log_config.c>
LoadModule log_config_module {{.Modules}}/mod_log_config.so
</IfModule>
<IfModule !mod_unixd.c>
LoadModule unixd_module {{.Modules}}/mod_unixd.so
</IfModule>

DefaultRuntimeDir {{.Home}}
PidFile {{.Home}}/pid
StartServers 2
ServerLimit 2
ThreadLimit 64
ThreadsPerChild 64
MaxRequestWorkers 128
MinSpareThreads 1
MaxSpareThreads 128
AsyncRequestWorkerFactor 16
KeepAliveTimeout 75
MaxKeepAliveRequests 0

SSLRandomSeed startup builtin
SSLRandomSeed connect builtin
{{if .Root}}
User daemon
Group daemon
{{end}}
ServerAdmin you@example.com
ErrorLog {{.Home}}/error.log
LogLevel warn
LogFormat "%h %l %u %t \"%r\" %>s %b" common
{{if .AccessLog}}CustomLog {{.Home}}/access.log common{{end}}
ServerRoot "{{.Home}}"
Listen {{.Listen}}
<Directory />
AllowOverride none
Require all denied
</Directory>
<VirtualHost *:{{.Port}}>
ServerName localhost
SSLEngine on
SSLCertificateFile {{.CertFile}}
SSLCertificateKeyFile {{.KeyFile}}
SSLCompression off
SSLProtocol all -SSLv2 -SSLv3 -TLSv1
SSLCipherSuite EECDH+AESGCM:EDH+AESGCM:AES256+EECDH:AES256+EDH
SSLCipherSuite TLSv1.3 TLS_AES_128_GCM_SHA256
SSLHonorCipherOrder on
Header always set "Docker-Distribution-Api-Version" "registry/2.0"
Header onsuccess set "Docker-Distribution-Api-Version" "registry/2.0"
RequestHeader set X-Forwarded-Proto "https"
ProxyRequests off
ProxyPreserveHost on
ProxyPass /error/ !
ProxyPass /v2 http://{{.Upstream}}/v2
ProxyPassReverse /v2 http://{{.Upstream}}/v2
<Location /v2>
Order deny,allow
Allow from all
AuthName "Registry Authentication"
AuthType basic
AuthUserFile "{{.UsersFile}}"
AuthGroupFile "{{.GroupsFile}}"
<Limit GET HEAD>
Require valid-user
</Limit>
<Limit POST PUT DELETE PATCH>
Require group pusher
</Limit>
</Location>
</VirtualHost>
`
