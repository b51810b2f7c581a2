#include "servers/broker/pull_header.h"

#include "servers/broker/request_fields.h"

namespace rmq::broker {

Result<PullHeader> parse_pull_header(const wire::Request& request) {
  RequestFields fields(request);
  PullHeader header;
  header.code = request.code;
  header.group = fields.text("consumerGroup");
  header.topic = fields.text("topic");
  header.queue_id = fields.int32("queueId");
  header.queue_offset = fields.int64("queueOffset");
  header.max_messages = fields.int32("maxMsgNums");
  header.sys_flag = fields.int32("sysFlag");
  header.commit_offset = fields.int64("commitOffset");
  header.suspend_ms = fields.int64("suspendTimeoutMillis");
  header.subscription = fields.text("subscription", "");
  header.sub_version = fields.int64("subVersion");
  header.expression_type = fields.text("expressionType", "");
  if (fields.failed()) return wrong_use(fields.failure().remark.value_or(""));
  return header;
}

}  // namespace rmq::broker
