# Redis for a pod: in memory only, open to whoever reaches the pod.
exec redis-server --bind "*" "-::*" --protected-mode no --port 6379 --dir "$POD_DATA" --save "" --appendonly no
