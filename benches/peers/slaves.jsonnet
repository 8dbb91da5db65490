// The same projects by jsonnet, as JSON, which Compose reads too: its YAML it makes in its own language, many times
// as slowly. The files lie side by side, because it makes no directories.
local given = import 'given.json';

local service(cluster, node, role, index, name, ports='') = {
  image: given.image,
  environment: {
    TOPOGEN_CLUSTER: cluster,
    TOPOGEN_NODE: node,
    TOPOGEN_ROLE: role,
    TOPOGEN_INDEX: std.toString(index),
    TOPOGEN_SERVICE: name,
    TOPOGEN_PORTS: ports,
  },
  networks: ['internal'],
};

local entry(cluster, node, role, index) = {
  [node + '-service_entry']: service(cluster, node, role, index, 'service_entry', '443/tcp') + {
    container_name: '%s-%s-service_entry-1' % [cluster, node],
    expose: ['443'],
    networks: { internal: { aliases: ['service_entry', 'entry'] }, inout: { aliases: [node] } },
  },
};

local networks(cluster, subnet) = {
  internal: { driver: 'bridge', ipam: { config: [{ subnet: subnet }] } },
  inout: { name: cluster + '-inout', external: true },
};

local slave(cluster, index) = {
  local node = 'slave%d' % index,
  local private(name) = service(cluster, node, 'slave', index, name),
  services: entry(cluster, node, 'slave', index) + {
    [node + '-service_out']: private('service_out') + {
      container_name: '%s-%s-service_out-1' % [cluster, node],
      networks: { internal: { aliases: ['service_out', 'out'] }, inout: {} },
    },
    service_3: private('service_3'),
    service_4: private('service_4'),
    service_5: private('service_5'),
  },
  networks: networks(cluster, given.subnets[index]),
};

local master(cluster) = {
  services: entry(cluster, 'master', 'master', 1) + {
    service_2: service(cluster, 'master', 'master', 1, 'service_2'),
    service_3: service(cluster, 'master', 'master', 1, 'service_3'),
  },
  networks: networks(cluster, given.subnets[0]),
};

function(cluster, slaves) {
  [cluster + '-master.json']: master(cluster),
} + {
  ['%s-slave%d.json' % [cluster, index]]: slave(cluster, index)
  for index in std.range(1, slaves)
}
