/** A correct document of every kind, with every key that it may have. */
export const NODE = `apiVersion: v1
kind: Node
metadata:
  name: node-1
  labels: { kubernetes.io/hostname: node-1 }
spec:
  podCIDR: 10.244.1.0/24
  podCIDRs: [10.244.1.0/24, "fd00:10:244:1::/64"]
status:
  addresses:
    - type: InternalIP
      address: 192.168.0.1
    - type: Hostname
      address: node-1
`;

export const POD = `apiVersion: v1
kind: Pod
metadata:
  name: catalog-1
  namespace: shop
  labels:
    app: catalog
    version: "1"
  annotations:
    hawser.dev/mesh: enabled
    hawser.dev/weight: "50"
    example.com/other: anything
  deletionTimestamp: "2026-01-31T12:00:00Z"
spec:
  nodeName: node-1
  serviceAccountName: catalog
  hostNetwork: false
  terminationGracePeriodSeconds: 5
  containers:
    - name: main
      image: none
      command: ["node", "server.js"]
      args: ["--port", "8080"]
      env:
        - name: VERSION
          value: v1
      ports:
        - name: http
          containerPort: 8080
          protocol: TCP
      readinessProbe:
        tcpSocket:
          port: 8080
        periodSeconds: 1
status:
  podIP: 10.244.1.7
  podIPs:
    - ip: 10.244.1.7
    - ip: fd00:10:244:1::7
  phase: Running
  conditions:
    - type: Ready
      status: "True"
`;

export const SERVICE = `apiVersion: v1
kind: Service
metadata:
  name: catalog
  namespace: shop
spec:
  type: ClusterIP
  clusterIP: 10.96.0.10
  clusterIPs: [10.96.0.10, "fd00:10:96::10"]
  selector:
    app: catalog
  ports:
    - name: http
      port: 80
      targetPort: http
      protocol: TCP
      appProtocol: http
    - name: admin
      port: 81
      targetPort: 8081
`;

export const MESH = `apiVersion: hawser.dev/v1
kind: Mesh
metadata:
  name: mesh
spec:
  trustDomain: cluster.local
  encryption: strict
  locality: prefer-local
  loadBalancer:
    algorithm: least-request
  ejection:
    consecutiveFailures: 5
    baseEjection: 30s
    maxEjection: 5m
    maxEjectionPercent: 50
  exclude:
    ports: [22]
    cidrs: [172.16.0.0/12]
    namespaces: [kube-system]
`;

export const TRAFFIC_POLICY = `apiVersion: hawser.dev/v1
kind: TrafficPolicy
metadata:
  name: catalog
  namespace: shop
spec:
  targetRef:
    group: ""
    kind: Service
    name: catalog
  locality: spread
  loadBalancer:
    algorithm: peak-ewma
  ejection:
    consecutiveFailures: 3
`;

export const EVERY_KIND = [NODE, POD, SERVICE, MESH, TRAFFIC_POLICY].join("---\n");
