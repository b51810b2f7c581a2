#include "servers/broker/client_groups.h"

#include <algorithm>

namespace rmq::broker {

ClientGroups::Put ClientGroups::put(std::string_view group, Client client) {
  const wire::Connection* connection = client.connection.get();
  auto found = groups_.find(group);
  if (found != groups_.end()) {
    if (const auto member = found->second.find(connection); member != found->second.end()) {
      member->second = std::move(client);
      return Put::refreshed;
    }
  }
  std::vector<std::string>& its_groups = groups_of_[connection];
  if (its_groups.size() >= kMaxGroupsOfConnection) return Put::refused;
  its_groups.emplace_back(group);
  if (found == groups_.end()) found = groups_.emplace(std::string(group), Members{}).first;
  found->second.emplace(connection, std::move(client));
  return Put::added;
}

void ClientGroups::erase(std::map<std::string, Members, std::less<>>::iterator group,
                         const wire::Connection* connection) {
  group->second.erase(connection);
  if (group->second.empty()) groups_.erase(group);
}

bool ClientGroups::remove(std::string_view group, const wire::Connection* connection) {
  const auto found = groups_.find(group);
  if (found == groups_.end() || !found->second.contains(connection)) return false;
  const auto its_groups = groups_of_.find(connection);
  std::erase(its_groups->second, group);
  if (its_groups->second.empty()) groups_of_.erase(its_groups);
  erase(found, connection);
  return true;
}

std::vector<std::string> ClientGroups::remove(const wire::Connection* connection) {
  const auto found = groups_of_.find(connection);
  if (found == groups_of_.end()) return {};
  std::vector<std::string> removed = std::move(found->second);
  groups_of_.erase(found);
  for (const std::string& group : removed) erase(groups_.find(group), connection);
  return removed;
}

std::vector<std::pair<std::string, Client>> ClientGroups::remove_silent_since(std::int64_t time_ms) {
  std::vector<std::pair<std::string, Client>> silent;
  for (const auto& [group, members] : groups_)
    for (const auto& [connection, client] : members)
      if (client.last_update_ms < time_ms) silent.emplace_back(group, client);
  for (const auto& [group, client] : silent) remove(group, client.connection.get());
  return silent;
}

const ClientGroups::Members* ClientGroups::members(std::string_view group) const {
  const auto found = groups_.find(group);
  return found == groups_.end() ? nullptr : &found->second;
}

}  // namespace rmq::broker
