#include "servers/broker/client.h"

#include <array>
#include <cstddef>
#include <string_view>

namespace rmq::broker {

json::Value language_json(wire::LanguageCode language) {
  static constexpr std::array<std::string_view, 14> kNames = {"JAVA",   "CPP",  "DOTNET", "PYTHON", "DELPHI",
                                                              "ERLANG", "RUBY", "OTHER",  "HTTP",   "GO",
                                                              "PHP",    "OMS",  "RUST",   "NODE_JS"};
  const auto number = static_cast<std::size_t>(language);
  return number < kNames.size() ? json::Value(kNames[number]) : json::Value();
}

json::Value connection_json(const Client& client) {
  json::Object object;
  object.set("clientAddr", client.connection->remote_address());
  object.set("clientId", client.id);
  object.set("language", language_json(client.language));
  object.set("version", client.version);
  return object;
}

}  // namespace rmq::broker
