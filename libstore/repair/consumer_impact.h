// What consumers will see when a plan and its state files have been carried out: for each group and queue,
// how many messages come again, are gone before anybody saw them, or can be read at last. As far as a
// broker's data tell: offsets of broadcasting groups lie with their consumers, and of messages that a pop
// consumer holds only the revive topic knows.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libstore/json/json_writer.h"
#include "libstore/recovery/plan.h"
#include "libstore/repair/config_mend.h"

namespace rmq::repair {

struct ConsumerImpact {
  std::string group;  // SCHEDULE_CONSUMER: the broker's own delivery of delayed messages
  std::string topic;  // empty: no offset of the group is known, so nobody knows what it reads
  std::int32_t queue_id = -1;
  std::int64_t offset_before = -1;  // as a stock broker would have it now; -1: it has none
  std::int64_t offset_after = -1;
  std::int64_t again = 0;       // delivered, and coming once more; at most so many where the offset is lost
  std::int64_t skipped = 0;     // lost before the group read them (placeholders stand for most)
  std::int64_t found_back = 0;  // nobody could read them, now the group will
  std::string text;             // a sentence
};

// Rows with an effect only, sorted by group, topic and queue. `plan` is a full one, `mend` made with it.
[[nodiscard]] std::vector<ConsumerImpact> consumer_impact(const recovery::Plan& plan, const ConfigMend& mend);

// An array of objects, as the value of a member whose key the caller has written.
void write_consumer_impact(json::JsonLine& out, const std::vector<ConsumerImpact>& impact);

}  // namespace rmq::repair
