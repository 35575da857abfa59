module snowmelt.test/pstest

go 1.24

require cloud.google.com/go/pubsub/v2 v2.6.2
