# nginx for a pod: everything it writes is in $POD_DATA, one small page and a larger one to download.
set -e
mkdir -p "$POD_DATA/www"
echo "hello from $POD_NAME" > "$POD_DATA/www/index.html"
head -c 1048576 /dev/zero > "$POD_DATA/www/1m.bin"
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
    listen 8080;
    listen [::]:8080;
    root $POD_DATA/www;
  }
}
CONF
# -e: the compiled-in error log in /var/log would be opened before the configuration is read.
exec nginx -e stderr -c "$POD_DATA/nginx.conf"
