# nginx for a story ("http2": with prior knowledge, and nothing else): a page, a place to upload to, and /whoami, which says who the client is as nginx sees it.
set -e
mkdir -p "$POD_DATA/www"
echo "hello from $POD_NAME" > "$POD_DATA/www/index.html"
cat > "$POD_DATA/nginx.conf" <<CONF
daemon off;
user root;
worker_processes 1;
pid $POD_DATA/nginx.pid;
error_log stderr warn;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 100000;
  client_body_temp_path $POD_DATA/body;
  proxy_temp_path $POD_DATA/proxy;
  fastcgi_temp_path $POD_DATA/fastcgi;
  uwsgi_temp_path $POD_DATA/uwsgi;
  scgi_temp_path $POD_DATA/scgi;
  server {
    listen 8080 $1;
    listen [::]:8080 $1;
    root $POD_DATA/www;
    location = /whoami { return 200 "\$remote_addr \$remote_port"; }
    location = /connection { return 200 "\$connection \$connection_requests\n"; }
  }
}
CONF
# -e: the compiled-in error log in /var/log would be opened before the configuration is read.
exec nginx -e stderr -c "$POD_DATA/nginx.conf"
