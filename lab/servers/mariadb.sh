# MariaDB for a pod: small files on the pod's tmpfs, no users (anyone who reaches the pod may log in).
# Without grant tables the system tables are not needed, which saves seconds at every start.
set -e
mkdir -p "$POD_DATA/mysql"
exec mariadbd --no-defaults --user=root --datadir="$POD_DATA/mysql" --socket="$POD_DATA/mysql.sock" \
  --pid-file="$POD_DATA/mysql.pid" --bind-address="*" --port=3306 --skip-grant-tables --skip-log-bin \
  --skip-name-resolve --innodb-log-file-size=4M --innodb-buffer-pool-size=16M --innodb-flush-log-at-trx-commit=0 \
  --aria-log-file-size=8M --tmpdir="$POD_DATA"
