#include "servers/broker/producer_table.h"

#include <utility>

namespace rmq::broker {
namespace {

std::vector<Client> to_vector(const ClientGroups::Members& members) {
  std::vector<Client> clients;
  clients.reserve(members.size());
  for (const auto& [connection, client] : members) clients.push_back(client);
  return clients;
}

}  // namespace

void ProducerTable::put(std::string_view group, Client client) {
  client.last_update_ms = clock_.now_ms();
  const std::lock_guard lock(mutex_);
  groups_.put(group, std::move(client));
}

void ProducerTable::remove(std::string_view group, const wire::Connection* connection) {
  const std::lock_guard lock(mutex_);
  groups_.remove(group, connection);
}

void ProducerTable::connection_closed(const wire::Connection* connection) {
  const std::lock_guard lock(mutex_);
  groups_.remove(connection);
}

void ProducerTable::expire(std::int64_t milliseconds) {
  std::vector<std::pair<std::string, Client>> silent;
  {
    const std::lock_guard lock(mutex_);
    silent = groups_.remove_silent_since(clock_.now_ms() - milliseconds);
  }
  for (const auto& [group, client] : silent) client.connection->close();
}

std::optional<std::vector<Client>> ProducerTable::clients(std::string_view group) const {
  const std::lock_guard lock(mutex_);
  const ClientGroups::Members* members = groups_.members(group);
  if (members == nullptr) return std::nullopt;
  return to_vector(*members);
}

std::map<std::string, std::vector<Client>> ProducerTable::all() const {
  const std::lock_guard lock(mutex_);
  std::map<std::string, std::vector<Client>> all;
  for (const auto& [group, members] : groups_.all()) all.emplace(group, to_vector(members));
  return all;
}

}  // namespace rmq::broker
