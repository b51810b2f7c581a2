#include "tools/server/broker_help.h"

namespace rmq::server {

std::string_view broker_help() {
  return R"(Usage: rmq-broker [-c broker.conf] [-n NAMESRV] [flags]    a broker for RocketMQ's clients

Keeps messages in a store that Apache RocketMQ 5.3 and 4.9 read and write too, serves them, and tells its
name servers about its topics. Without any flag it runs with RocketMQ's defaults.

  -c, --configFile FILE     broker.conf: RocketMQ's keys (docs/servers/broker-configuration.md)
  -n, --namesrvAddr A[;B]   name servers, host:port; else namesrvAddr of the file, else $NAMESRV_ADDR
  -p, --printConfigItem     print every key with its value, and end
  -m, --printImportantConfig  the same for those that RocketMQ calls important
      --log FILE            log file, rotated; - is standard error ($HOME/logs/rocketmqlogs/broker.log)
  -h, --help   --version

The store is storePathRootDir ($HOME/store). Clients connect to brokerIP1:listenPort (10911); old ones to
listenPort-2. With metricsExporterType=PROM, port metricsPromExporterPort (5557) gives /metrics and /healthz.

SIGTERM and SIGINT stop it gracefully: name servers are told, what is under way is answered, everything is
on disk; a second one ends it at once. Either way nothing that was acknowledged is lost.

Example: rmq-broker -n 127.0.0.1:9876
Exit status: 0 stopped as asked, 8 could not read, write or listen, 16 wrong use. Manual: man rmq-broker.
)";
}

}  // namespace rmq::server
