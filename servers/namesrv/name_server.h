// Answers what brokers, clients and mqadmin ask a name server. RocketMQ: NamesrvController,
// DefaultRequestProcessor, ClientRequestProcessor. No sockets: net calls it through wire/handler.h.
// Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "libstore/base/status.h"
#include "libstore/io/file_system.h"
#include "servers/namesrv/kv_config.h"
#include "servers/namesrv/namesrv_config.h"
#include "servers/namesrv/route_table.h"
#include "servers/wire/handler.h"

namespace rmq::namesrv {

enum class Severity : std::uint8_t { info, warning, error };
using Log = std::function<void(Severity, const std::string&)>;

// What it is given; all of it outlives the server.
struct Environment {
  io::FileSystem& files;
  NamesrvConfig& config;
  std::function<std::int64_t()> now_ms;  // since the epoch
  Log log;
  wire::Caller* brokers = nullptr;  // for notifyMinBrokerIdChanged; null: nobody is told
};

class NameServer : public wire::RequestService {
 public:
  explicit NameServer(Environment environment, RouteLimits limits = {});

  // Before the first request: the KV configuration.
  [[nodiscard]] Status load();
  // Every scanNotActiveBrokerInterval: brokers that were silent too long are gone.
  void remove_silent_brokers();

  [[nodiscard]] std::unique_ptr<wire::RequestHandler> make_handler() override;
  void connection_closed(const std::shared_ptr<wire::Connection>& connection) override;

  [[nodiscard]] wire::Response answer(const wire::Request& request,
                                      const std::shared_ptr<wire::Connection>& connection);

 private:
  using Handler = wire::Response (NameServer::*)(const wire::Request&,
                                                 const std::shared_ptr<wire::Connection>&);
  [[nodiscard]] static Handler handler_of(std::int32_t code);

  wire::Response put_kv(const wire::Request&, const std::shared_ptr<wire::Connection>&);
  wire::Response get_kv(const wire::Request&, const std::shared_ptr<wire::Connection>&);
  wire::Response delete_kv(const wire::Request&, const std::shared_ptr<wire::Connection>&);
  wire::Response list_kv(const wire::Request&, const std::shared_ptr<wire::Connection>&);
  wire::Response register_broker(const wire::Request&, const std::shared_ptr<wire::Connection>&);
  wire::Response unregister_broker(const wire::Request&, const std::shared_ptr<wire::Connection>&);
  wire::Response query_data_version(const wire::Request&, const std::shared_ptr<wire::Connection>&);
  wire::Response heartbeat(const wire::Request&, const std::shared_ptr<wire::Connection>&);
  wire::Response member_group(const wire::Request&, const std::shared_ptr<wire::Connection>&);
  wire::Response route(const wire::Request&, const std::shared_ptr<wire::Connection>&);
  wire::Response cluster_info(const wire::Request&, const std::shared_ptr<wire::Connection>&);
  wire::Response wipe_write_perm(const wire::Request&, const std::shared_ptr<wire::Connection>&);
  wire::Response add_write_perm(const wire::Request&, const std::shared_ptr<wire::Connection>&);
  wire::Response all_topics(const wire::Request&, const std::shared_ptr<wire::Connection>&);
  wire::Response topics_of_cluster(const wire::Request&, const std::shared_ptr<wire::Connection>&);
  wire::Response system_topics(const wire::Request&, const std::shared_ptr<wire::Connection>&);
  wire::Response unit_topics(const wire::Request&, const std::shared_ptr<wire::Connection>&);
  wire::Response register_topic(const wire::Request&, const std::shared_ptr<wire::Connection>&);
  wire::Response delete_topic(const wire::Request&, const std::shared_ptr<wire::Connection>&);
  wire::Response update_config(const wire::Request&, const std::shared_ptr<wire::Connection>&);
  wire::Response get_config(const wire::Request&, const std::shared_ptr<wire::Connection>&);

  void tell(const MinBrokerIdChange& change);
  void log(Severity severity, const std::string& text) const;

  Environment environment_;
  RouteTable routes_;
  KvConfig kv_;
  const std::int64_t started_ms_;
  const std::vector<std::string> black_list_;
};

}  // namespace rmq::namesrv
