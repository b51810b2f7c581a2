#include <memory>

#include "servers/broker/admin.h"
#include "servers/broker/admin_reply.h"
#include "servers/broker/broker.h"
#include "servers/broker/log.h"
#include "servers/broker/registration.h"

namespace rmq::broker {
namespace {

// UPDATE_BROKER_CONFIG
wire::Response update(Broker& broker, const wire::Request& request) {
  if (request.body.empty()) return answer_success();
  const auto changes = wire::parse_properties(body_text(request));
  if (!changes) return answer(ResponseCode::system_error, "string2Properties error");
  for (const auto& [name, value] : *changes) log_info("configuration: {}={}", name, value);
  const auto warnings = broker.config().update(broker.files(), *changes, broker.clock().now_ms());
  if (!warnings) {
    const bool refused = warnings.error().code == ErrorCode::wrong_use;
    return answer(refused ? ResponseCode::no_permission : ResponseCode::system_error,
                  warnings.error().message());
  }
  for (const std::string& warning : *warnings) log_warning("configuration: {}", warning);
  if (changes->contains("brokerPermission")) {
    broker.topics().bump_data_version();
    broker.registration().register_all(true);
  }
  return answer_success();
}

// GET_BROKER_CONFIG
wire::Response get(Broker& broker) {
  wire::Response response = answer_success();
  response.body = wire::write_properties(broker.config().all());
  const format::DataVersion version = broker.config().data_version();
  json::Object bean;
  bean.set("counter", version.counter);
  bean.set("stateVersion", version.state_version);
  bean.set("timestamp", version.timestamp);
  response.fields.emplace_back("version",
                               json::write_fastjson(json::Value(std::move(bean)), {.pretty = false}));
  return response;
}

}  // namespace

void add_config_admin(Broker& broker) {
  broker.add(RequestCode::update_broker_config,
             [&broker](const wire::Request& request, wire::Responder responder) {
               responder.send(update(broker, request));
             });
  broker.add(RequestCode::get_broker_config,
             [&broker](const wire::Request&, wire::Responder responder) { responder.send(get(broker)); });
}

}  // namespace rmq::broker
