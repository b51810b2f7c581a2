#include "servers/broker/delayed_message.h"

#include <gmock/gmock.h>

#include "libstore/format/message_properties.h"

namespace rmq::broker {
namespace {

using format::find_property;

TEST(DelayedMessage, WaitsInItsLevelsQueueAndSaysWhereItBelongs) {
  const Destination waiting = delayed({"T", 3,
                                       "TAGS\1a\2DELAY\1"
                                       "5\2"},
                                      5, 18);
  EXPECT_EQ(waiting.topic, "SCHEDULE_TOPIC_XXXX");
  EXPECT_EQ(waiting.queue_id, 4);
  EXPECT_EQ(find_property(waiting.properties, "REAL_TOPIC"), "T");
  EXPECT_EQ(find_property(waiting.properties, "REAL_QID"), "3");
  EXPECT_EQ(find_property(waiting.properties, "DELAY"), "5");
  EXPECT_EQ(find_property(waiting.properties, "TAGS"), "a");
}

TEST(DelayedMessage, ALevelAboveTheLastIsTheLast) {
  const Destination waiting = delayed({"T", 0,
                                       "DELAY\1"
                                       "99\2"},
                                      99, 18);
  EXPECT_EQ(waiting.queue_id, 17);
  EXPECT_EQ(waiting.properties,
            "DELAY\1"
            "18\2REAL_TOPIC\1T\2REAL_QID\1"
            "0\2");
}

TEST(DelayedMessage, TheLevelWinsOverATimer) {
  const Destination waiting = delayed({"T", 0,
                                       "TIMER_DELAY_SEC\1"
                                       "9\2TIMER_DELIVER_MS\1"
                                       "9\2TIMER_DELAY_MS\1"
                                       "9\2"},
                                      1, 18);
  EXPECT_EQ(waiting.properties,
            "DELAY\1"
            "1\2REAL_TOPIC\1T\2REAL_QID\1"
            "0\2");
}

TEST(DelayedMessage, WhatItSaidBeforeOfItsPlaceIsReplaced) {
  const Destination waiting = delayed({"%RETRY%g", 0,
                                       "REAL_TOPIC\1T\2REAL_QID\1"
                                       "7\2"},
                                      3, 18);
  EXPECT_EQ(find_property(waiting.properties, "REAL_TOPIC"), "%RETRY%g");
  EXPECT_EQ(find_property(waiting.properties, "REAL_QID"), "0");
}

TEST(DelayedMessage, KeepsItsPropertiesWhenItIsDue) {
  format::MessageView message;
  message.topic = "SCHEDULE_TOPIC_XXXX";
  message.properties =
      "TAGS\1a\2DELAY\1"
      "5\2REAL_TOPIC\1T\2REAL_QID\1"
      "3\2";
  const auto destination = due(message);
  ASSERT_TRUE(destination);
  EXPECT_EQ(destination->topic, "T");
  EXPECT_EQ(destination->queue_id, 3);
  EXPECT_EQ(destination->properties, message.properties);
}

TEST(DelayedMessage, LosesTheChecksumOfTheRecordThatItStoodIn) {
  format::MessageView message;
  message.properties =
      "REAL_TOPIC\1T\2REAL_QID\1"
      "3\2__CRC32#\1"
      "0123456789\2";
  EXPECT_EQ(due(message)->properties,
            "REAL_TOPIC\1T\2REAL_QID\1"
            "3\2");
}

TEST(DelayedMessage, GoesNowhereWithoutAPlace) {
  for (const char* properties : {"", "REAL_TOPIC\1T\2",
                                 "REAL_QID\1"
                                 "1\2",
                                 "REAL_TOPIC\1T\2REAL_QID\1x\2", "REAL_TOPIC\1T\2REAL_QID\1-1\2"}) {
    format::MessageView message;
    message.properties = properties;
    EXPECT_FALSE(due(message)) << properties;
  }
}

TEST(DelayedMessage, TheLevelIsANumberOrNone) {
  EXPECT_EQ(delay_level("TAGS\1a\2"), 0);
  EXPECT_EQ(delay_level("DELAY\1"
                        "3\2"),
            3);
  EXPECT_EQ(delay_level("DELAY\1-3\2"), -3);
  EXPECT_EQ(delay_level("DELAY\1three\2"), std::nullopt);
}

}  // namespace
}  // namespace rmq::broker
