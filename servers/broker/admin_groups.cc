#include <memory>
#include <utility>
#include <vector>

#include "servers/broker/admin.h"
#include "servers/broker/admin_reply.h"
#include "servers/broker/broker.h"
#include "servers/broker/log.h"

namespace rmq::broker {
namespace {

class GroupAdmin {
 public:
  explicit GroupAdmin(Broker& broker) : broker_(broker) {}

  // UPDATE_AND_CREATE_SUBSCRIPTIONGROUP
  [[nodiscard]] wire::Response update(const wire::Request& request) {
    const auto body = json::parse(body_text(request));
    if (!body) return answer(ResponseCode::system_error, body.error().message());
    const auto made = broker_.groups().update(*body);
    return made ? answer_success() : answer_error(made.error());
  }

  // UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST
  [[nodiscard]] wire::Response update_list(const wire::Request& request) {
    const auto body = json::parse(body_text(request));
    const json::Value* list = body ? body->find("groupConfigList") : nullptr;
    if (list == nullptr || list->if_array() == nullptr)
      return answer(ResponseCode::system_error, "the body is no list of groups");
    const Status made = broker_.groups().update_all(list->if_array()->items);
    return made ? answer_success() : answer_error(made.error());
  }

  // GET_ALL_SUBSCRIPTIONGROUP_CONFIG
  [[nodiscard]] wire::Response list() const { return answer_json(broker_.groups().snapshot()); }

  // GET_SUBSCRIPTIONGROUP_CONFIG
  [[nodiscard]] wire::Response get(const wire::Request& request) {
    RequestFields fields(request);
    const std::string_view group = fields.text("group");
    if (fields.failed()) return fields.failure();
    if (broker_.groups().find_or_create(group) == nullptr)
      return answer(ResponseCode::subscription_group_not_exist, "No group in this broker");
    return answer_json(broker_.groups().bean(group));
  }

  // DELETE_SUBSCRIPTIONGROUP
  [[nodiscard]] wire::Response remove(const wire::Request& request) {
    RequestFields fields(request);
    const std::string group(fields.text("groupName"));
    if (fields.failed()) return fields.failure();
    // 4.x clients say removeOffset.
    const bool clean = fields.flag("cleanOffset", fields.flag("removeOffset", false));
    broker_.delete_group(group, clean);
    return answer_success();
  }

  // UPDATE_AND_GET_GROUP_FORBIDDEN
  [[nodiscard]] wire::Response forbid(const wire::Request& request) {
    RequestFields fields(request);
    const std::string_view group = fields.text("group");
    const std::string_view topic = fields.text("topic");
    if (fields.failed()) return fields.failure();
    if (request.field("readable"))
      broker_.groups().set_forbidden(group, topic, SubscriptionGroups::kReadIndex,
                                     !fields.flag("readable", true));
    json::Object body;
    body.set("group", group);
    body.set("readable", !broker_.groups().is_forbidden(group, topic, SubscriptionGroups::kReadIndex));
    body.set("topic", topic);
    wire::Response response = answer_json(json::Value(std::move(body)));
    response.remark = "";
    return response;
  }

 private:
  Broker& broker_;
};

}  // namespace

void add_group_admin(Broker& broker) {
  using enum RequestCode;
  auto admin = std::make_shared<GroupAdmin>(broker);
  const auto now = [&](RequestCode code, auto handle) {
    broker.add(code, [admin, handle](const wire::Request& request, wire::Responder responder) {
      responder.send(handle(*admin, request));
    });
  };
  using Request = const wire::Request&;
  now(update_and_create_subscription_group, [](GroupAdmin& a, Request r) { return a.update(r); });
  now(update_and_create_subscription_group_list, [](GroupAdmin& a, Request r) { return a.update_list(r); });
  now(get_all_subscription_group_config, [](GroupAdmin& a, Request) { return a.list(); });
  now(get_subscription_group_config, [](GroupAdmin& a, Request r) { return a.get(r); });
  now(delete_subscription_group, [](GroupAdmin& a, Request r) { return a.remove(r); });
  now(update_and_get_group_forbidden, [](GroupAdmin& a, Request r) { return a.forbid(r); });
}

}  // namespace rmq::broker
