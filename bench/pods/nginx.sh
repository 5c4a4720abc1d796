# nginx for small calls: one worker that answers a few bytes from memory, so that what is measured is the way there and
# back. /status counts requests, for the measuring of a window within a load. Port 8081 is HTTP/2 with prior knowledge.
set -e
cat > "$POD_DATA/nginx.conf" <<CONF
daemon off;
user root;
worker_processes 1;
worker_rlimit_nofile 16384;
pid $POD_DATA/nginx.pid;
error_log stderr warn;
events { worker_connections 8192; }
http {
  access_log off;
  # No connection is ended in the middle of a load.
  keepalive_requests 1000000000;
  keepalive_timeout ${KEEPALIVE:-1h};
  client_body_temp_path $POD_DATA/body;
  proxy_temp_path $POD_DATA/proxy;
  fastcgi_temp_path $POD_DATA/fastcgi;
  uwsgi_temp_path $POD_DATA/uwsgi;
  scgi_temp_path $POD_DATA/scgi;
  server {
    listen 8080 backlog=4096;
    location = /status { stub_status; }
    location / { return 200 "hello\n"; }
  }
  server {
    listen 8081 http2 backlog=4096;
    keepalive_timeout ${KEEPALIVE_HTTP2:-1h};
    location / { return 200 "hello\n"; }
  }
}
CONF
# -e: the compiled-in error log in /var/log would be opened before the configuration is read.
exec nginx -e stderr -c "$POD_DATA/nginx.conf"
